-- Sends prepared requests in turn, and prints what came back as one line of JSON.
-- The file holds, for each request, its length in bytes on a line and then the request itself.

local requests, turn, once = {}, 0, false
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    local file = assert(io.open(args[1], "rb"))
    while true do
        local length = file:read("*n")
        if not length then break end
        file:read(1)
        requests[#requests + 1] = file:read(length)
    end
    file:close()
    once = args[2] == "once"
end

function request()
    turn = turn + 1
    if turn > #requests then
        if once then wrk.thread:stop() end
        turn = 1
    end
    return requests[turn]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"seconds": %.4f, "answers": %d, "refused": %d, "broken": %d,'
        .. ' "p50": %.3f, "p95": %.3f, "p99": %.3f}\n',
        summary.duration / 1e6, summary.requests, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
