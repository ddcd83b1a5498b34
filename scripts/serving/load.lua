-- wrk's side of scripts/bench_serving.py: what each connection sends, and what came back, when.
--
-- There is one thread for each connection (wrk -t N -c N), so that a thread can tell which of its
-- requests is answered. The environment says the rest:
--   BENCH_REQUESTS  whole HTTP requests, one a file, named FOLDER/0 to FOLDER/N-1
--   BENCH_COUNT     N
--   BENCH_CLIENTS   connections
--   BENCH_RATE      requests a second over all connections, at even intervals; 0: each connection
--                  sends the next as soon as it has the answer to the last
--   BENCH_BEGIN     when the first of those intervals begins, in microseconds of the monotonic clock
--   BENCH_OUT       gets a line for each request: due, done (microseconds of the monotonic clock;
--                   done is 0 where no answer came), status
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } bench_time;
  int clock_gettime(int clock, bench_time *found);
]]
local found = ffi.new("bench_time")

local function now()
  ffi.C.clock_gettime(1, found)
  return tonumber(found.seconds) * 1e6 + tonumber(found.nanoseconds) / 1e3
end

local clients = tonumber(os.getenv("BENCH_CLIENTS"))
local rate = tonumber(os.getenv("BENCH_RATE"))
local begin = tonumber(os.getenv("BENCH_BEGIN"))
-- Sixteen characters that are the same in JPEG comments and in base64: scripts/serving/bodies.py.
local marks = { "@standin-unique@", "StandinUniqueNo0" }

-- A file's text, cut at its marks.
local function pieces(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  local mark = string.find(text, marks[1], 1, true) and marks[1] or marks[2]
  local cut, from = {}, 1
  while true do
    local at = string.find(text, mark, from, true)
    cut[#cut + 1] = string.sub(text, from, at and at - 1)
    if not at then return cut end
    from = at + #mark
  end
end

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

function init()
  local folder, count = os.getenv("BENCH_REQUESTS"), tonumber(os.getenv("BENCH_COUNT"))
  texts, sent, lines, busy, due, skipped = {}, 0, {}, false, 0, 0
  -- All files over all connections, and at least two of them on each: more would be held once a
  -- connection, and there may be hundreds.
  local mine = math.min(count, math.max(2, math.ceil(count / clients)))
  for each = 0, mine - 1 do
    texts[each + 1] = pieces(folder .. "/" .. (mine * number + each) % count)
  end
end

function request()
  if busy then -- the connection broke
    lines[#lines + 1] = string.format("%.0f %.0f 0", due, now())
  end
  sent = sent + 1
  local cut = texts[sent % #texts + 1]
  local whole = { cut[1] }
  for place = 2, #cut do
    whole[#whole + 1] = string.format("%04d%06d%06d", number, sent, place)
    whole[#whole + 1] = cut[place]
  end
  if rate == 0 then due = now() end
  busy = true
  return table.concat(whole)
end

function response(status, headers, body)
  -- One picture of many may have failed in an answer that is 200.
  if status == 200 and string.find(body, '"error"', 1, true) then status = 299 end
  lines[#lines + 1] = string.format("%.0f %.0f %d", due, now(), status)
  busy = false
end

if rate > 0 then
  -- Connection k sends at k/rate, k/rate + clients/rate, and so on; what falls into the time that
  -- it still waits for an answer is not sent, and counted.
  function delay()
    local period, time = clients / rate * 1e6, now()
    due = due == 0 and begin + (number + 0.5) / rate * 1e6 or due + period
    while due < time - period do
      due = due + period
      skipped = skipped + 1
    end
    return math.max(0, math.floor((due - time) / 1e3 + 0.5))
  end
end

function done()
  local out = assert(io.open(os.getenv("BENCH_OUT"), "w"))
  local missed = 0
  for _, thread in ipairs(threads) do
    for _, line in ipairs(thread:get("lines")) do out:write(line, "\n") end
    if thread:get("busy") then out:write(string.format("%.0f 0 0\n", thread:get("due"))) end
    missed = missed + thread:get("skipped")
  end
  out:write(string.format("skipped %d\n", missed))
  out:close()
end
