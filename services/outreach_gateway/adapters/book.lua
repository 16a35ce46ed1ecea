-- Gives each waiting message of people of one shard its earliest slot, each person's queue in its order, in one atomic call.
--
-- KEYS[1]     the marker of the shard: "RUN:EPOCH", the run id of the Redis on which its windows were built, and their epoch
-- KEYS[1+n]   one log a person: a sorted set, member = "outreach|employer", score = slot in ms; "#" before a member: its
--             slot in the rows when its present one was proposed, for a transaction that may not have been committed
-- ARGV        epoch, and one JSON list, which costs its client and Redis less than as many arguments:
--             clock_offset_ms, at_ms (-1: Redis' own time), slot_good_ms, kept_ms, unanswered_ms, halve_after (0: never),
--             calendars: count, then each: count, then start and end (ms, ascending);
--             window sets: count, then each: count, then length_ms, cap, halved cap, 1 if only this employer's messages count;
--             people: each: calendar (1..), window set (1..), what holds its slot: count, then member, slot_ms each;
--             what gives its slot up: the same; what waits, in the queue's order: count, then member, until_ms, slot_ms
--             (-1: none yet) each
-- Answer      numbers with spaces between: now_ms, then for each person 1 if their log was not what the rows say, else 0, and for
--             each of their waiting messages slot_ms (-1: none before it ends) and what stood against an earlier slot
--             (0 nothing, n the nth window of its set, -1 the hours)
-- The slots of the arguments are the rows': they decide, and the log is made what they say. A waiting message stands where
-- it stood when its slot has come less than slot_good ago and holds; else as early as those before it in the queue leave
-- room. A slot exactly one window length after another is allowed.

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.pcall('GET', KEYS[1]) ~= run .. ':' .. ARGV[1] then
  return redis.error_reply('FENCED the windows of this epoch are not on this server')
end

local given, last = cjson.decode(ARGV[2]), 0
local function argument()
  last = last + 1
  return given[last]
end

local offset, at = argument(), argument()
local now
if at == -1 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset
else
  now = at
end
local slot_good, kept, unanswered_after, halve_after = argument(), argument(), argument(), argument()
local DAY = 86400000

local calendars = {}
for c = 1, argument() do
  local intervals = {}
  for i = 1, argument() do intervals[i] = { argument(), argument() } end
  calendars[c] = intervals
end

local window_sets = {}
for s = 1, argument() do
  local windows = {}
  for w = 1, argument() do windows[w] = { argument(), argument(), argument(), argument() == 1 } end
  window_sets[s] = windows
end

local function is_open(intervals, slot)
  for _, interval in ipairs(intervals) do
    if slot < interval[1] then return false end
    if slot < interval[2] then return true end
  end
  return false
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

-- The moments at which a slot can become free: the first, an opening, and each entry's leaving of each window.
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

-- What is no sorted set is not ours, and tells of no slot: it makes way.
local function read_log(key)
  local raw, log = redis.pcall('ZRANGE', key, 0, -1, 'WITHSCORES'), {}
  if raw.err then
    redis.call('UNLINK', key)
    return log
  end
  for i = 1, #raw, 2 do log[raw[i]] = tonumber(raw[i + 1]) end
  return log
end

-- Whether the log lacks a slot of the rows, or has it elsewhere. What it has beyond them can only hold people back, and
-- goes; what was proposed by a transaction that was not committed is no difference.
local function differs(log, rows)
  for member, slot in pairs(rows) do
    if slot > now - kept + DAY and log[member] ~= slot and log['#' .. member] ~= slot then return true end
  end
  return false
end

local function write(key, log, rows, planned)
  local changed, latest = false, now
  local function put(member, slot)
    if log[member] ~= slot then
      redis.call('ZADD', key, slot, member)
      changed = true
    end
  end
  for member, slot in pairs(planned) do
    put(member, slot)
    latest = math.max(latest, slot)
  end
  for member, slot in pairs(rows) do
    if planned[member] ~= slot then put('#' .. member, slot) end
  end
  for member in pairs(log) do
    local bare = string.match(member, '^#(.*)$')
    if (bare and not planned[bare] and not rows[bare]) or (not bare and not planned[member]) then
      redis.call('ZREM', key, member)
    end
  end
  if changed then redis.call('PEXPIREAT', key, latest + kept) end
end

local answer = { now }
for k = 2, #KEYS do
  local intervals, windows = calendars[argument()], window_sets[argument()]
  local rows, planned, slots, employers, unanswered = {}, {}, {}, {}, 0
  local function stands(member, slot)
    slots[#slots + 1], employers[#employers + 1] = slot, string.match(member, '|(.*)$')
    planned[member] = slot
  end
  for _ = 1, argument() do
    local member, slot = argument(), argument()
    if slot > now - kept then
      rows[member] = slot
      stands(member, slot)
      if slot <= now - unanswered_after then unanswered = unanswered + 1 end
    end
  end
  for _ = 1, argument() do
    local member, slot = argument(), argument()
    rows[member] = slot
  end
  local waiting = {}
  for i = 1, argument() do
    local member, until_ms, slot = argument(), argument(), argument()
    waiting[i] = { member, until_ms, slot }
    if slot ~= -1 then rows[member] = slot end
  end
  local halved = halve_after > 0 and unanswered >= halve_after
  local log = read_log(KEYS[k])
  answer[#answer + 1] = differs(log, rows) and 1 or 0
  for _, message in ipairs(waiting) do
    local member, until_ms, own = message[1], message[2], message[3]
    local employer, ours = string.match(member, '|(.*)$'), {}
    for i = 1, #slots do ours[i] = employers[i] == employer end
    local slot, against
    if own ~= -1 and own <= now and now - own < slot_good and is_open(intervals, now)
        and full_window(windows, slots, ours, own, halved) == 0 then
      slot, against = own, 0
    else
      slot, against = earliest(windows, slots, ours, intervals, until_ms, halved)
    end
    if slot ~= -1 then stands(member, slot) end
    answer[#answer + 1] = slot
    answer[#answer + 1] = against
  end
  write(KEYS[k], log, rows, planned)
end
return table.concat(answer, ' ')
