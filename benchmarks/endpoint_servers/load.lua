-- wrk counts what is not the expected answer: the text between what a server wraps it in.
local function read(name)
  local file = assert(io.open(os.getenv(name), "rb")); local text = file:read("*a"); file:close(); return text
end
local expected, threads = read("EXPECTED"), {}
wrk.method, wrk.body = "POST", read("BODY")
for line in read("HEADERS"):gmatch("[^\n]+") do
  local name, value = line:match("([^:]+): (.*)"); wrk.headers[name] = value
end
wrong = 0
function setup(thread) table.insert(threads, thread) end
function response(status, headers, body)
  if status ~= 200 or not body:find(expected, 1, true) then wrong = wrong + 1 end
end
function done(summary, latency, requests)
  local wrongs = 0
  for _, thread in ipairs(threads) do wrongs = wrongs + thread:get("wrong") end
  local e = summary.errors
  print(string.format('{"requests": %d, "microseconds": %d, "p50": %f, "p99": %f, "errors": %d}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), wrongs + e.connect + e.read + e.write + e.timeout))
end
