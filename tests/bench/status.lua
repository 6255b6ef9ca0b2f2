-- SPDX-License-Identifier: MIT
-- Asks for the status of jobs drawn at random from those that `load` started.
-- wrk ... -s status.lua URL -- JOBS
local jobs, form

function init(args)
    jobs = tonumber(args[1])
    math.randomseed(1)
    -- The request is made once, but for its number: wrk shall not be what is measured.
    form = wrk.format("GET", "/status?job_id=bench-%014d")
end

function request()
    return string.format(form, math.random(0, jobs - 1))
end
