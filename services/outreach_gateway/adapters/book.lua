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
-- again where it is. One that went by unused was promised all the same: its message goes as soon as it may, as if nothing
-- behind it were booked, and what is behind it moves on. A slot exactly one window length after another is allowed.

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
  local slots, ours, own, unanswered, latest, members = {}, {}, nil, 0, now, {}
  for i = 1, #raw, 2 do
    local slot = tonumber(raw[i + 1])
    if raw[i] == member then
      own = slot
    elseif slot > now - kept then
      local n = #slots + 1
      slots[n] = slot
      ours[n] = string.match(raw[i], '|(.*)$') == employer
      members[n] = raw[i]
      latest = math.max(latest, slot)
      if slot <= now - unanswered_after then unanswered = unanswered + 1 end
    end
  end
  return slots, ours, own, halve_after > 0 and unanswered >= halve_after, latest, members
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
local function moments(windows, slots, intervals, from, until_ms)
  local found = { from }
  local function add(moment)
    if moment > from and moment <= until_ms then found[#found + 1] = moment end
  end
  for _, interval in ipairs(intervals) do add(interval[1]) end
  for _, window in ipairs(windows) do
    for i = 1, #slots do add(slots[i] + window[1]) end
  end
  table.sort(found)
  return found
end

local function earliest(windows, slots, ours, intervals, from, until_ms, halved)
  local against = full_window(windows, slots, ours, from, halved)
  if from > until_ms then return -1, against == 0 and -1 or against end
  if against == 0 and is_open(intervals, from) then return from, 0 end
  for _, moment in ipairs(moments(windows, slots, intervals, from, until_ms)) do
    if is_open(intervals, moment) then
      local full = full_window(windows, slots, ours, moment, halved)
      if full == 0 then return moment, against == 0 and -1 or against end
      if against == 0 then against = full end
    end
  end
  return -1, against == 0 and -1 or against
end

-- As `earliest` for a message whose slot went by; what is booked behind it keeps its order and moves on by as much as the
-- windows then demand. What finds no place stays where it is: it is looked at again when it is due, as everything is.
local function move_on(key, windows, slots, ours, members, member, intervals, until_ms, halved)
  local placed, whose, employers, behind = {}, {}, {}, {}
  for i = 1, #slots do
    if slots[i] > now then
      behind[#behind + 1] = i
    else
      placed[#placed + 1], whose[#whose + 1] = slots[i], ours[i]
      employers[#employers + 1] = string.match(members[i], '|(.*)$')
    end
  end
  local slot, against = earliest(windows, placed, whose, intervals, now, until_ms, halved)
  if slot == -1 then return slot, against, now end
  placed[#placed + 1], employers[#employers + 1] = slot, string.match(member, '|(.*)$')
  local last = slot
  for _, i in ipairs(behind) do
    local employer, same = string.match(members[i], '|(.*)$'), {}
    for n = 1, #placed do same[n] = employers[n] == employer end
    local place = slots[i]
    if place < last or full_window(windows, placed, same, place, halved) ~= 0 then
      local found = earliest(windows, placed, same, intervals, math.max(place, last), math.huge, halved)
      if found ~= -1 then place = found end
    end
    if place ~= slots[i] then redis.call('ZADD', key, place, members[i]) end
    placed[#placed + 1], employers[#employers + 1] = place, employer
    last = math.max(last, place)
  end
  return slot, against, last
end

local answer = { now }
for k = 2, #KEYS do
  local key, member, until_ms = KEYS[k], text(), number()
  local intervals, windows = calendars[number()], window_sets[number()]
  local slots, ours, own, halved, latest, members = read_log(key, member, string.match(member, '|(.*)$'))
  local slot, against
  if own and own > now and own <= until_ms then
    slot, against = own, full_window(windows, slots, ours, now, halved)
    if against == 0 then against = -1 end
  elseif own and own <= now and now - own < slot_good and is_open(intervals, now)
      and full_window(windows, slots, ours, own, halved) == 0 then
    slot, against = own, 0
  elseif own and own <= now then
    slot, against, latest = move_on(key, windows, slots, ours, members, member, intervals, until_ms, halved)
  else
    slot, against = earliest(windows, slots, ours, intervals, now, until_ms, halved)
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
