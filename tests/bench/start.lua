-- SPDX-License-Identifier: MIT
-- Starts jobs, each with an id of 20 characters that no other run with another ROUND has.
-- wrk -t1 ... -s start.lua URL -- ROUND
local form
local count = 0

function init(args)
    local id = string.format("bench-%04d%010d", args[1], 0)
    local request = wrk.format("POST", "/start", {
        ["Content-Type"] = "application/json",
        ["Host"] = wrk.headers["Host"],
    }, '{"job_id": "' .. id .. '"}')

    -- The request is made once, but for its number: wrk shall not be what is measured.
    form = string.gsub(request, "0000000000\"", "%%010d\"")
end

function request()
    count = count + 1
    return string.format(form, count)
end
