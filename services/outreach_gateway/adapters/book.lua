-- Gives each waiting message its earliest slot, each person's queue in its order: people of some shards, in one atomic call.
--
-- KEYS[1..s]  the markers of the shards: "RUN:EPOCH", the run id of the Redis on which their windows were built, and their epoch
-- KEYS[s+n]   one log a person, by shard: a sorted set, member = "outreach|employer", score = slot in ms; "#" before a member:
--             its slot in the rows when its present one was proposed, for a transaction that may not have been committed
-- ARGV        one flat JSON list, which costs its client and Redis less than as many arguments:
--             clock_offset_ms, at_ms (-1: Redis' own time), slot_good_ms, kept_ms, unanswered_ms, halve_after (0: never),
--             calendars: count, then each: count, then start and end (ms, ascending);
--             window sets: count, then each: count, then length_ms, cap, halved cap, 1 if only this employer's messages count;
--             shards: count, then each: epoch, how many people; people: each: calendar (1..), window set (1..), what holds its
--             slot: count, then member, slot_ms each; what gives its slot up: the same; what waits, in the queue's order:
--             count, then member, until_ms, slot_ms (-1: none yet) each
-- Answer      numbers with spaces between: now_ms, then for each shard how many people had a log that was not what the rows
--             say (-1: its marker is not what it has to be; nobody was decided for), and for each of its waiting messages
--             slot_ms (-1: none before it ends) and what stood against an earlier slot (0 nothing, n the nth window of its
--             set, -1 the hours)
-- The slots of the arguments are the rows': they decide, and the log is made what they say. A waiting message stands where
-- it stood when its slot has come less than slot_good ago and holds; else as early as those before it in the queue leave
-- room. A slot exactly one window length after another is allowed.
-- A person's log is read once and written once, and what can be is asked without a table or a function of its own for each.

local call, pcall, sub, find, unpack, tonumber = redis.call, redis.pcall, string.sub, string.find, unpack, tonumber
local NEVER, DAY, FEW = math.huge, 86400000, 2000 -- Lua takes some thousand values of a call

local given = cjson.decode(ARGV[1])
local offset, now, slot_good, kept = given[1], given[2], given[3], given[4]
local unanswered_after, halve_after, last = given[5], given[6], 7
if now == -1 then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset
end
-- A number becomes text anew for each command and in each answer, which costs more than all else here: what many are given is
-- text, and small numbers are made so once.
local as_text = setmetatable({}, { __index = function(known, number)
  local text = string.format('%.0f', number)
  known[number] = text
  return text
end })
local now_as_text, kept_from_now = string.format('%.0f', now), string.format('%.0f', now + kept)

-- A calendar is where the first interval that is not over stands in what is given, and where the last one does.
local first_of, last_of, is_open = {}, {}, {}
local count = given[last]
last = last + 1
for c = 1, count do
  local at, ends = last + 1, last + 2 * given[last]
  last = ends + 1
  while at < ends and given[at + 1] <= now do at = at + 2 end
  first_of[c], last_of[c] = at, ends
  is_open[c] = at < ends and given[at] <= now
end

local window_sets = {}
count = given[last]
last = last + 1
for s = 1, count do
  local windows = {}
  for w = 1, given[last] do
    local at = last + 4 * w - 3
    windows[w] = { given[at], given[at + 1], given[at + 2], given[at + 3] == 1 }
  end
  last = last + 4 * #windows + 1
  window_sets[s] = windows
end

-- What stands of the person in hand, by slot, and of it what the message's own employer sent: used again for each.
local slots, members, standing = {}, {}, 0
local ours, of_ours = {}, 0

local function stand(member, slot)
  local at = standing
  while at > 0 and slots[at] > slot do
    slots[at + 1], members[at + 1] = slots[at], members[at]
    at = at - 1
  end
  slots[at + 1], members[at + 1] = slot, member
  standing = standing + 1
end

-- The first window that would hold too many with one more at `moment`, or 0; and until when those that would are full. As many
-- slots as the cap that lie within one window keep any other out from where the last of them comes within it until the first
-- has left it.
local function full(windows, halved, moment)
  local against, free = 0, moment
  for w = 1, #windows do
    local window = windows[w]
    local length, cap, list, held = window[1], window[2], slots, standing
    if halved then cap = window[3] end
    if window[4] then list, held = ours, of_ours end
    if cap < 1 then return against == 0 and w or against, NEVER end
    for k = held - cap + 1, 1, -1 do
      local leaves = list[k] + length
      if leaves <= moment then break end
      if list[k + cap - 1] - list[k] < length and list[k + cap - 1] - length < moment then
        if against == 0 then against = w end
        if leaves > free then free = leaves end
        break
      end
    end
  end
  return against, free
end

-- When it is open at this moment or next; `at` and `ends` are its calendar.
local function opening(at, ends, moment)
  while at < ends do
    local starts, closes = given[at], given[at + 1]
    if moment < closes and starts < closes then return moment < starts and starts or moment end
    at = at + 2
  end
  return NEVER
end

local function earliest(windows, halved, calendar, until_ms)
  local against, free = full(windows, halved, now)
  if free <= until_ms then
    if against == 0 and is_open[calendar] then return now, 0 end
    local at, ends = first_of[calendar], last_of[calendar]
    local moment = opening(at, ends, free)
    while moment <= until_ms do
      local next_against
      next_against, free = full(windows, halved, moment)
      if next_against == 0 then return moment, against == 0 and -1 or against end
      if against == 0 then against = next_against end
      moment = opening(at, ends, free)
    end
  end
  return -1, against == 0 and -1 or against
end

-- What is no sorted set is not ours, and tells of no slot: it makes way.
local function read_log(key)
  local log = pcall('ZRANGE', key, '0', '-1', 'WITHSCORES')
  if log.err then
    call('UNLINK', key)
    return {}
  end
  return log
end

local function changed(command, key, what, many)
  for from = 1, many, FEW do
    call(command, key, unpack(what, from, math.min(from + FEW - 1, many)))
  end
end

local put, many_put = {}, 0
local function puts(member, slot)
  put[many_put + 1], put[many_put + 2] = slot == now and now_as_text or as_text[slot], member
  many_put = many_put + 2
end

-- Makes a log that is not as the rows say, or not any more, what stands now; whether it lacked a slot of theirs, or had it
-- elsewhere. What it had beyond them could only hold people back, and goes; what was proposed by a transaction that was not
-- committed is no difference.
local function made_right(key, raw, rows)
  local log, planned, differs = {}, {}, false
  for i = 1, #raw, 2 do log[raw[i]] = tonumber(raw[i + 1]) end
  for i = 1, standing do
    local member = members[i]
    planned[member] = slots[i]
    if log[member] ~= slots[i] then puts(member, slots[i]) end
  end
  for member, slot in pairs(rows) do
    if slot > now - kept + DAY and log[member] ~= slot and log['#' .. member] ~= slot then differs = true end
    if planned[member] ~= slot and log['#' .. member] ~= slot then puts('#' .. member, slot) end
  end
  local gone, many_gone = {}, 0
  for member in pairs(log) do
    local bare = sub(member, 1, 1) == '#' and sub(member, 2)
    if (bare and planned[bare] == rows[bare]) or (not bare and not planned[member]) then
      many_gone = many_gone + 1
      gone[many_gone] = member
    end
  end
  changed('ZREM', key, gone, many_gone)
  return differs
end

local answer, answered = { now_as_text }, 1

-- The person whose arguments begin at `last`; whether their log was not what the rows say.
local function decide(key)
  local calendar, windows = given[last], window_sets[given[last + 1]]
  local taken, unanswered = last + 2, 0
  local many = given[taken]
  standing = 0
  for at = taken + 1, taken + 2 * many, 2 do
    local slot = given[at + 1]
    if slot > now - kept then
      stand(given[at], slot)
      if slot <= now - unanswered_after then unanswered = unanswered + 1 end
    end
  end
  local leaving = taken + 2 * many + 1
  local waiting = leaving + 2 * given[leaving] + 1
  last = waiting + 3 * given[waiting] + 1

  -- Mostly the log is what the rows say, nobody leaves, and nothing that has a slot moves: then there are no tables to make.
  local raw = read_log(key)
  local held = standing
  for at = waiting + 1, last - 3, 3 do
    if given[at + 2] ~= -1 then stand(given[at], given[at + 2]) end
  end
  local as_rows = #raw == 2 * standing and given[leaving] == 0
  for i = 1, as_rows and standing or 0 do
    if raw[2 * i - 1] ~= members[i] or tonumber(raw[2 * i]) ~= slots[i] then
      as_rows = false
      break
    end
  end
  if standing > held then
    standing = 0
    for at = taken + 1, taken + 2 * many, 2 do
      if given[at + 1] > now - kept then stand(given[at], given[at + 1]) end
    end
  end

  local halved = halve_after > 0 and unanswered >= halve_after
  many_put = 0
  for at = waiting + 1, last - 3, 3 do
    local member, until_ms, own = given[at], given[at + 1], given[at + 2]
    of_ours = 0
    if standing > 0 then
      local employer = sub(member, find(member, '|', 1, true), -1)
      for i = 1, standing do
        local from = #members[i] - #employer + 1
        if from > 0 and find(members[i], employer, from, true) then
          of_ours = of_ours + 1
          ours[of_ours] = slots[i]
        end
      end
    end
    local slot, against
    if own ~= -1 and own <= now and now - own < slot_good and is_open[calendar] and full(windows, halved, own) == 0 then
      slot, against = own, 0
    else
      slot, against = earliest(windows, halved, calendar, until_ms)
    end
    if slot ~= -1 then stand(member, slot) end
    if own ~= -1 and own ~= slot then as_rows = false end
    if own == -1 and slot ~= -1 then puts(member, slot) end
    answer[answered + 1], answer[answered + 2] = slot == now and now_as_text or as_text[slot], as_text[against]
    answered = answered + 2
  end

  local differs = false
  if not as_rows then
    local rows = {}
    for at = taken + 1, taken + 2 * many, 2 do
      if given[at + 1] > now - kept then rows[given[at]] = given[at + 1] end
    end
    for at = leaving + 1, waiting - 1, 2 do rows[given[at]] = given[at + 1] end
    for at = waiting + 1, last - 3, 3 do
      if given[at + 2] ~= -1 then rows[given[at]] = given[at + 2] end
    end
    many_put = 0
    differs = made_right(key, raw, rows)
  end
  if many_put > 0 then
    changed('ZADD', key, put, many_put)
    local latest = standing > 0 and slots[standing] or now
    call('PEXPIREAT', key, latest > now and latest + kept or kept_from_now)
  end
  return differs
end

-- Over the arguments of a person who is not decided for.
local function pass()
  local leaving = last + 3 + 2 * given[last + 2]
  local waiting = leaving + 1 + 2 * given[leaving]
  last = waiting + 1 + 3 * given[waiting]
end

local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
local shards = given[last]
local markers = call('MGET', unpack(KEYS, 1, shards))
local epochs = last + 1
local log = shards
last = epochs + 2 * shards
for s = 1, shards do
  local epoch, people = given[epochs + 2 * s - 2], given[epochs + 2 * s - 1]
  answered = answered + 1
  if markers[s] == run .. ':' .. epoch then
    local told, different = answered, 0
    for k = log + 1, log + people do
      if decide(KEYS[k]) then different = different + 1 end
    end
    answer[told] = as_text[different]
  else
    answer[answered] = as_text[-1]
    for _ = 1, people do pass() end
  end
  log = log + people
end
return table.concat(answer, ' ')
