-- SPDX-License-Identifier: MIT
-- Asks for the status of jobs drawn at random from those that `load` started.
-- wrk ... -s status.lua URL -- JOBS
local jobs

function init(args)
    jobs = tonumber(args[1])
    math.randomseed(1)
end

function request()
    return wrk.format("GET", string.format("/status?job_id=bench-%014d", math.random(0, jobs - 1)))
end
