-- Gives each waiting message its earliest slot, each person's queue in its order: people of some shards, in one atomic call.
--
-- KEYS[1..s]  the markers of the shards: "RUN:EPOCH", the run id of the Redis on which their windows were built, and their epoch
-- KEYS[s+n]   one log a person, by shard: a string, compared as a whole. First the name of each slot, "outreach|employer" with "\n"
--             behind it, then another "\n", then each slot in ms, a double (little-endian, 8 bytes). First what was handed on, by
--             slot and name, then what waits in the queue's order; at the end "#" before a name: its slot in the rows when its
--             present one was proposed, for a transaction that may not have been committed. Nobody's is no key.
-- ARGV[1]     JSON, one flat list: clock_offset_ms, at_ms (-1: Redis' own time), slot_good_ms, kept_ms, unanswered_ms,
--             halve_after (0: never),
--             calendars: count, then each: count, then start and end (ms, ascending);
--             window sets: count, then each: count, then length_ms, cap, halved cap, 1 if only this employer's messages count;
--             shards: count, then each: epoch, how many people
-- ARGV[2..7]  columns over the people, each as a whole (little-endian; times are doubles, counts 4 bytes):
--             2 of each person: calendar (1..), window set (1..), how many slots were handed on, how many slots there are with
--               those of what waits, how many wait, how many give their slot up
--             3 the names of their slots, as they stand in their log as the rows say it, with the "\n" behind them
--             4 these slots
--             5 the names of what waits, in the queue's order, then of what gives its slot up, "\n" behind each
--             6 until_ms of what waits, slot_ms of what gives it up
--             7 of each that waits "+" if it has a slot, or "-"
-- Answer      numbers with spaces between: now_ms, then for each shard how many people had a log that was not what the rows
--             say (-1: its marker is not what it has to be; nobody was decided for), and for each of its waiting messages
--             slot_ms (-1: none before it ends) and what stood against an earlier slot (0 nothing, n the nth window of its
--             set, -1 the hours)
-- The slots of the arguments are the rows': they decide, and the log is made what they say. A waiting message stands where
-- it stood when its slot has come less than slot_good ago and holds; else as early as those before it in the queue leave
-- room. A slot exactly one window length after another is allowed.
-- Logs are read together and each is written once, if it is not what it has to be; what can be is asked without a table of its
-- own for each. Who is refused has nothing written.

local call, pcall, sub, find, rep, tonumber = redis.call, redis.pcall, string.sub, string.find, string.rep, tonumber
local unpack, packed, unpacked, concat = unpack, struct.pack, struct.unpack, table.concat
local NEVER, DAY, FEW = math.huge, 86400000, 2000 -- Lua takes some thousand values of a call
local COUNT, TIME, AT_ONCE = 'I', 'd', 6000

-- A whole column, numbers of a kind: one by one, each would cost as much as twenty together. (What stands behind them is no part of it.)
local column
function column(text, kind, size)
  local many = #text / size
  if many <= AT_ONCE then return { unpacked('<' .. rep(kind, many), text) } end
  local found = {}
  for from = 0, many - 1, AT_ONCE do
    local some = column(sub(text, from * size + 1, (from + AT_ONCE) * size), kind, size)
    for i = 1, math.min(AT_ONCE, many - from) do found[from + i] = some[i] end
  end
  return found
end

local given, people, slots_of_rows = cjson.decode(ARGV[1]), column(ARGV[2], COUNT, 4), column(ARGV[4], TIME, 8)
local names, packed_slots, asked_names, times, owns = ARGV[3], ARGV[4], ARGV[5], column(ARGV[6], TIME, 8), ARGV[7]
local person_at, name_at, slot_at, asked_at, asked_by, own_at = 0, 1, 0, 1, 0, 1 -- how far each has been read
local offset, now, slot_good, kept = given[1], given[2], given[3], given[4]
local unanswered_after, halve_after, last = given[5], given[6], 7
if now == -1 then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset
end
-- A number becomes text anew in each answer, which costs more than the rules: what many are given is text once.
local as_text = setmetatable({}, { __index = function(known, number)
  local text = string.format('%.0f', number)
  known[number] = text
  return text
end })
local now_as_text, now_packed = string.format('%.0f', now), packed('<d', now)

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

local window_sets, asks_of_employer = {}, {}
count = given[last]
last = last + 1
for s = 1, count do
  local windows = {}
  for w = 1, given[last] do
    local at = last + 4 * w - 3
    windows[w] = { given[at], given[at + 1], given[at + 2], given[at + 3] == 1 }
    asks_of_employer[s] = asks_of_employer[s] or windows[w][4]
  end
  last = last + 4 * #windows + 1
  window_sets[s] = windows
end

-- What stands of the person in hand, by slot, and of it what the message's own employer sent.
local slots, standing = {}, 0
local ours, of_ours = {}, 0

local function put(list, many, slot)
  while many > 0 and list[many] > slot do
    list[many + 1] = list[many]
    many = many - 1
  end
  list[many + 1] = slot
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

-- What a log says, name by name; what is no log of ours tells of no slot.
local function read_log(text)
  local log, names = {}, {}
  local at = 1
  while true do
    local ends = find(text, '\n', at, true)
    if not ends then return log end
    if ends == at then break end
    names[#names + 1] = sub(text, at, ends - 1)
    at = ends + 1
  end
  if #text - at ~= 8 * #names then return log end
  local slots = column(sub(text, at + 1), TIME, 8)
  for i = 1, #names do log[names[i]] = slots[i] end
  return log
end

-- As versions before this one kept it: a sorted set. What is neither is not ours, and makes way.
local function read_sorted_set(key)
  local log, raw = {}, pcall('ZRANGE', key, '0', '-1', 'WITHSCORES')
  if not raw.err then
    for i = 1, #raw, 2 do log[raw[i]] = tonumber(raw[i + 1]) end
  end
  return log
end

local answer, answered = { now_as_text }, 1
-- Of the person in hand: the names of what waits and of what gives its slot up, what the first were given and what the others had.
local asked, slot_of, left, waiting, leaving = {}, {}, {}, 0, 0

-- The log that stands now, in two halves, behind what was handed on: what goes now, then what waits.
local function written(names, of_slots, marks)
  if waiting == 1 and not marks then
    return names .. asked[1] .. '\n\n' .. of_slots .. (slot_of[1] == now and now_packed or packed('<d', slot_of[1]))
  end
  for due = 1, 2 do
    for w = 1, waiting do
      local slot = slot_of[w]
      if slot ~= -1 and (slot <= now) == (due == 1) then
        names = names .. asked[w] .. '\n'
        of_slots = of_slots .. (slot == now and now_packed or packed('<d', slot))
      end
    end
  end
  for name, slot in pairs(marks or {}) do
    names = names .. '#' .. name .. '\n'
    of_slots = of_slots .. packed('<d', slot)
  end
  return names == '' and '' or names .. '\n' .. of_slots
end

local function write(key, text)
  local latest = standing > 0 and slots[standing] > now and slots[standing] or now
  call('SET', key, text, 'PX', as_text[latest + kept - now]) -- by Redis' own time, whatever the clock was moved to
end

-- What is said of the next person: their log, as the rows have it, and where its slots begin in it; the rest is passed over
-- unless they are decided for.
local calendar, set, taken, many, rows, of_slots, first_slot
local function take_next()
  local at = person_at
  person_at = at + 6
  calendar, set, taken, many = people[at + 1], people[at + 2], people[at + 3], people[at + 4]
  waiting, leaving = people[at + 5], people[at + 6]
  rows, of_slots, first_slot = '', 1, slot_at
  if many > 0 then
    local _, ends = find(names, '\n\n', name_at, true)
    rows = sub(names, name_at, ends) .. sub(packed_slots, 8 * slot_at + 1, 8 * (slot_at + many))
    of_slots = ends - name_at + 2
    name_at, slot_at = ends + 1, slot_at + many
  end
end

local function take_asked(i)
  local ends = find(asked_names, '\n', asked_at, true)
  local name = sub(asked_names, asked_at, ends - 1)
  asked[i], asked_at, asked_by = name, ends + 1, asked_by + 1
  return name, times[asked_by]
end

-- How far the names go of what was handed on.
local function names_of_taken()
  if taken == many then return #rows - 8 * many - 1 end
  local ends = 0
  for _ = 1, taken do ends = find(rows, '\n', ends + 1, true) end
  return ends
end

-- Makes a log that is not as the rows say, or of which something goes, what stands now; whether it lacked a slot of theirs, or had it
-- elsewhere. What it had beyond them could only hold people back, and goes; what was proposed by a transaction that was not
-- committed is no difference.
local function made_right(key, text, first)
  local in_rows, planned, marks, differs = read_log(rows), {}, {}, false
  local from, kept_from = 1, 1
  for i = 1, taken do
    local till = find(rows, '\n', from, true)
    local name = sub(rows, from, till - 1)
    if i == first then kept_from = from end
    if i < first then in_rows[name] = nil else planned[name] = in_rows[name] end
    from = till + 1
  end
  if first > taken then kept_from = from end
  for w = 1, waiting do
    if slot_of[w] ~= -1 then planned[asked[w]] = slot_of[w] end
  end
  for i = waiting + 1, waiting + leaving do in_rows[asked[i]] = left[i] end
  local log = {}
  if text then
    log = read_log(text)
  elseif next(in_rows) then
    log = read_sorted_set(key)
  end
  for name, slot in pairs(in_rows) do
    if slot > now - kept + DAY and log[name] ~= slot and log['#' .. name] ~= slot then differs = true end
    if planned[name] ~= slot then marks[name] = slot end
  end
  local now_text = written(
    sub(rows, kept_from, from - 1), sub(rows, of_slots + 8 * (first - 1), of_slots + 8 * taken - 1), marks
  )
  if now_text == '' then
    if text or next(log) then call('UNLINK', key) end
  elseif now_text ~= text then
    write(key, now_text)
  end
  return differs
end

-- Decides for the next person; whether their log was not what the rows say.
local function decide(key, log)
  take_next()
  local windows, by_employer = window_sets[set], asks_of_employer[set]
  local first = 1 -- of what was handed on, the first that is not older than what is kept
  while first <= taken and slots_of_rows[first_slot + first] <= now - kept do first = first + 1 end
  standing = taken - first + 1
  for i = 1, standing do slots[i] = slots_of_rows[first_slot + first - 1 + i] end
  local halved = false
  if halve_after > 0 then
    local unanswered = 0
    for i = 1, standing do
      if slots[i] <= now - unanswered_after then unanswered = unanswered + 1 end
    end
    halved = unanswered >= halve_after
  end

  local owning, books, marks = 0, false, nil
  for w = 1, waiting do
    local member, until_ms = take_asked(w)
    local own = -1
    if many > taken and sub(owns, own_at + w - 1, own_at + w - 1) == '+' then
      owning = owning + 1
      own = slots_of_rows[first_slot + taken + owning]
    end
    of_ours = 0
    if by_employer and standing > 0 then
      local employer = sub(member, find(member, '|', 1, true), -1)
      local at, ends = find(rows, employer .. '\n', 1, true)
      if at and at < names_of_taken() then
        local from = 1
        for i = 1, taken do
          local till = find(rows, '\n', from, true)
          if i >= first and sub(rows, till - #employer, till - 1) == employer then
            put(ours, of_ours, slots_of_rows[first_slot + i])
            of_ours = of_ours + 1
          end
          from = till + 1
        end
      end
      for before = 1, w - 1 do
        if slot_of[before] ~= -1 and sub(asked[before], -#employer) == employer then
          put(ours, of_ours, slot_of[before])
          of_ours = of_ours + 1
        end
      end
    end
    local slot, against
    if own ~= -1 and own <= now and now - own < slot_good and is_open[calendar] and full(windows, halved, own) == 0 then
      slot, against = own, 0
    else
      slot, against = earliest(windows, halved, calendar, until_ms)
    end
    if slot ~= -1 then
      put(slots, standing, slot)
      standing = standing + 1
    end
    if own ~= slot then
      books = true
      if own ~= -1 then
        marks = marks or {}
        marks[member] = own
      end
    end
    slot_of[w] = slot
    answer[answered + 1], answer[answered + 2] = slot == now and now_as_text or as_text[slot], as_text[against]
    answered = answered + 2
  end

  own_at = own_at + waiting
  for i = waiting + 1, waiting + leaving do
    local _
    _, left[i] = take_asked(i)
  end

  -- Mostly the log is what the rows say, and nothing of it goes: then it is not taken apart.
  if log == (rows ~= '' and rows) and leaving == 0 and first == 1 then
    if books then
      write(key, written(sub(rows, 1, names_of_taken()), sub(rows, of_slots, of_slots + 8 * taken - 1), marks))
    end
    return false
  end
  return made_right(key, log, first)
end

-- Over the arguments of a person who is not decided for.
local function pass()
  take_next()
  for i = 1, waiting + leaving do take_asked(i) end
  own_at = own_at + waiting
end

local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
local shards = given[last]
local of_shards = last + 1
local read = {}
for from = 1, #KEYS, FEW do
  local till = math.min(from + FEW - 1, #KEYS)
  local some = call('MGET', unpack(KEYS, from, till))
  if till == #KEYS and from == 1 then
    read = some
  else
    for i = from, till do read[i] = some[i - from + 1] end
  end
end
local at = shards
for s = 1, shards do
  local epoch, many = given[of_shards + 2 * s - 2], given[of_shards + 2 * s - 1]
  answered = answered + 1
  if read[s] == run .. ':' .. epoch then
    local told, different = answered, 0
    for k = at + 1, at + many do
      if decide(KEYS[k], read[k]) then different = different + 1 end
    end
    answer[told] = as_text[different]
  else
    answer[answered] = as_text[-1]
    for _ = 1, many do pass() end
  end
  at = at + many
end
return concat(answer, ' ')
