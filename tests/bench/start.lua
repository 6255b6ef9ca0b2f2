-- SPDX-License-Identifier: MIT
-- Starts jobs, each with an id of 20 characters that no other run with another ROUND has.
-- wrk -t1 ... -s start.lua URL -- ROUND
local round
local count = 0

function init(args)
    round = tonumber(args[1])
    wrk.method = "POST"
    wrk.path = "/start"
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    count = count + 1
    return wrk.format(nil, nil, nil,
                      string.format('{"job_id": "bench-%04d%010d"}', round, count))
end
