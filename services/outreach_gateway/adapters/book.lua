-- Books the earliest slot for each message of a batch, in one atomic call.
--
-- KEYS[1]  marker of this epoch: holds the run id of the Redis for which the windows were built
-- KEYS[n]  one log a message: a sorted set, member = "outreach|employer", score = slot in ms
-- ARGV     clock_offset_ms, at_ms ("" = Redis' own time), slot_good_ms, kept_ms, unanswered_ms, halve_after (0: never),
--          calendars: count, then each: count, then start and end (ms, ascending);
--          window sets: count, then each: count, then length_ms, cap, halved cap, 1 if only this employer's messages count;
--          messages: each: member, until_ms, calendar (1..), window set (1..)
-- Answer   now_ms, then for each message: slot_ms (-1: none before it expires), what stood against an earlier
--          slot (0 nothing, n the nth window of its set, -1 the hours).
-- A message that has a slot keeps it: one that is yet to come stays, one that came less than slot_good ago is checked
-- again where it is, an older one moves. A slot exactly one window length after another is allowed.

local server = redis.call('INFO', 'server')
if redis.call('GET', KEYS[1]) ~= string.match(server, 'run_id:(%x+)') then
  return redis.error_reply('FENCED the windows of this epoch are not on this server')
end

local next_argument = 0
local function text()
  next_argument = next_argument + 1
  return ARGV[next_argument]
end
local function number() return tonumber(text()) end

local offset, at = number(), text()
local now
if at == '' then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset
else
  now = tonumber(at)
end
local slot_good, kept, unanswered_after, halve_after = number(), number(), number(), number()

local calendars = {}
for c = 1, number() do
  local intervals = {}
  for i = 1, number() do intervals[i] = { number(), number() } end
  calendars[c] = intervals
end

local window_sets = {}
for s = 1, number() do
  local windows = {}
  for w = 1, number() do windows[w] = { number(), number(), number(), text() == '1' } end
  window_sets[s] = windows
end

local function is_open(intervals, slot)
  for _, interval in ipairs(intervals) do
    if slot < interval[1] then return false end
    if slot < interval[2] then return true end
  end
  return false
end

-- Entries of a log without the message's own; the own slot apart.
local function read_log(key, member, employer)
  local raw = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  local slots, ours, own, unanswered, latest = {}, {}, nil, 0, now
  for i = 1, #raw, 2 do
    local slot = tonumber(raw[i + 1])
    if raw[i] == member then
      own = slot
    elseif slot > now - kept then
      local n = #slots + 1
      slots[n] = slot
      ours[n] = string.match(raw[i], '|(.*)$') == employer
      latest = math.max(latest, slot)
      if slot <= now - unanswered_after then unanswered = unanswered + 1 end
    end
  end
  return slots, ours, own, halve_after > 0 and unanswered >= halve_after, latest
end

-- The first window that would hold too many with one more at `slot`, or 0. Windows that end later count too.
local function full_window(windows, slots, ours, slot, halved)
  for w, window in ipairs(windows) do
    local length, only_ours = window[1], window[4]
    local cap = halved and window[3] or window[2]
    local function too_many(last)
      local count = 1
      for i = 1, #slots do
        if slots[i] > last - length and slots[i] <= last and (ours[i] or not only_ours) then count = count + 1 end
      end
      return count > cap
    end
    if too_many(slot) then return w end
    for i = 1, #slots do
      local later = slots[i]
      if later > slot and later < slot + length and (ours[i] or not only_ours) and too_many(later) then return w end
    end
  end
  return 0
end

-- The moments at which a slot can become free: now, an opening, and each entry's leaving of each window.
local function moments(windows, slots, intervals, until_ms)
  local found = { now }
  local function add(moment)
    if moment > now and moment <= until_ms then found[#found + 1] = moment end
  end
  for _, interval in ipairs(intervals) do add(interval[1]) end
  for _, window in ipairs(windows) do
    for i = 1, #slots do add(slots[i] + window[1]) end
  end
  table.sort(found)
  return found
end

local function earliest(windows, slots, ours, intervals, until_ms, halved)
  local against = full_window(windows, slots, ours, now, halved)
  if now > until_ms then return -1, against == 0 and -1 or against end
  if against == 0 and is_open(intervals, now) then return now, 0 end
  for _, moment in ipairs(moments(windows, slots, intervals, until_ms)) do
    if is_open(intervals, moment) then
      local full = full_window(windows, slots, ours, moment, halved)
      if full == 0 then return moment, against == 0 and -1 or against end
      if against == 0 then against = full end
    end
  end
  return -1, against == 0 and -1 or against
end

local answer = { now }
for k = 2, #KEYS do
  local key, member, until_ms = KEYS[k], text(), number()
  local intervals, windows = calendars[number()], window_sets[number()]
  local slots, ours, own, halved, latest = read_log(key, member, string.match(member, '|(.*)$'))
  local slot, against
  if own and own > now then
    slot, against = own, full_window(windows, slots, ours, now, halved)
    if against == 0 then against = -1 end
  elseif own and now - own < slot_good and is_open(intervals, now)
      and full_window(windows, slots, ours, own, halved) == 0 then
    slot, against = own, 0
  else
    slot, against = earliest(windows, slots, ours, intervals, until_ms, halved)
  end
  if slot == -1 then
    if own then redis.call('ZREM', key, member) end
  elseif slot ~= own then
    redis.call('ZADD', key, slot, member)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - kept)
    redis.call('PEXPIREAT', key, math.max(slot, latest) + kept) -- by the last of all: a nearer one never shortens it
  end
  answer[#answer + 1] = slot
  answer[#answer + 1] = against
end
return answer
