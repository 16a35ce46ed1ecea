-- Gives each waiting message its earliest slot, each person's queue in its order: people of some shards, in one atomic call.
--
-- KEYS[1..s]  the markers of the shards: "RUN:EPOCH", the run id of the Redis on which their windows were built, and their epoch
-- KEYS[s+n]   one log a person: a string, compared as a whole. First the name of each slot, "outreach|employer" with "\n"
--             behind it, then another "\n", then each slot in ms, a double (little-endian, 8 bytes). First what was handed on, by
--             slot and name, then what waits in the queue's order; at the end "#" before a name: its slot in the rows when its
--             present one was proposed, for a transaction that may not have been committed. Nobody's is no key.
-- ARGV[1]     JSON, one flat list: clock_offset_ms, at_ms (-1: Redis' own time), slot_good_ms, kept_ms, unanswered_ms,
--             halve_after (0: never),
--             calendars: count, then each: count, then start and end (ms, ascending);
--             window sets: count, then each: count, then length_ms, cap, halved cap, 1 if only this employer's messages count;
--             shards: count, then each: its number, its epoch
-- ARGV[2..9]  columns, each as a whole (little-endian; times are doubles of ms, counts 4 bytes):
--             2 first of everybody the calendar (1..), then of everybody each of these: window set (1..), shard, how many slots were
--               handed on, how many wait, how many give their slot up, bytes of their log, bytes of the names of what waits and of
--               what gives its slot up
--             3 the logs as the rows say them, one behind the other
--             4 the names of what waits, in the queue's order, then of what gives its slot up, "\n" behind each
--             5 the slots of what was handed on
--             6 until_ms of what waits
--             7 the slots that what waits has, -1 where it has none; nothing, where nobody has one
--             8 the slots of what gives it up
--             9 numbers of the employers of what was handed on, of all people, then of what waits; nothing, where no window is of one employer
-- Answer      now_ms (a double); of each shard how many people had a log that was not what the rows say, or FENCED: its marker is
--             not what it has to be; of each that waits a code; then, as doubles, the slots that no code tells, in their order.
--             A code is 4 * what stood against an earlier slot (0 nothing, 1 the hours, 1 + n the nth window of all sets) + 0: it goes
--             now, 1: it stays in its slot, 2: its slot is told, 3: there is none before it ends; FENCED: nobody was decided for.
-- The slots of the arguments are the rows': they decide, and the log is made what they say. A waiting message stands where
-- it stood when its slot has come less than slot_good ago and holds; else as early as those before it in the queue leave
-- room. A slot exactly one window length after another is allowed.
-- Logs are read together and each is written once, if it is not what it has to be. Mostly it is what the rows say, and nothing moves:
-- then one string is made of a person, to compare it, and no table.

local call, pcall, sub, find, rep, tonumber = redis.call, redis.pcall, string.sub, string.find, string.rep, tonumber
local unpack, packed, unpacked, concat = unpack, struct.pack, struct.unpack, table.concat
local NEVER, DAY, FEW = math.huge, 86400000, 2000 -- Lua takes some thousand values of a call
local COUNT, TIME, AT_ONCE = 'I', 'd', 6000
local FENCED = 4294967295
local GOES, STAYS, TOLD, NONE = 0, 1, 2, 3

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

local given, heads, logs, asked_names = cjson.decode(ARGV[1]), column(ARGV[2], COUNT, 4), ARGV[3], ARGV[4]
local slots_of_rows, untils, owns = column(ARGV[5], TIME, 8), column(ARGV[6], TIME, 8), column(ARGV[7], TIME, 8)
local left, employers = column(ARGV[8], TIME, 8), column(ARGV[9], COUNT, 4)
local handed_on = #ARGV[5] / 8
local offset, now, slot_good, kept = given[1], given[2], given[3], given[4]
local unanswered_after, halve_after, last = given[5], given[6], 7
if now == -1 then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset
end
local now_packed = packed('<d', now)
-- What is said of many is put into bytes, or into text, once.
local code_text = setmetatable({}, { __index = function(known, code)
  local text = packed('<I4', code)
  known[code] = text
  return text
end })

local as_text = setmetatable({}, { __index = function(known, number)
  local text = string.format('%.0f', number)
  known[number] = text
  return text
end })

-- A calendar is what is not over of its intervals, in two columns.
local opens, closes, is_open = {}, {}, {}
local count = given[last]
last = last + 1
for c = 1, count do
  local from, till, ends = {}, {}, last + 2 * given[last]
  for at = last + 1, ends, 2 do
    if given[at + 1] > now and given[at + 1] > given[at] then from[#from + 1], till[#till + 1] = given[at], given[at + 1] end
  end
  last = ends + 1
  opens[c], closes[c], is_open[c] = from, till, #from > 0 and from[1] <= now
end

-- A set of windows in columns; `before` is how many there are in the sets before it.
local window_sets, all = {}, 0
count = given[last]
last = last + 1
for s = 1, count do
  local set = { lengths = {}, caps = {}, halved = {}, of_employer = {}, by_employer = false, before = all }
  for w = 1, given[last] do
    local at = last + 4 * w - 3
    set.lengths[w], set.caps[w], set.halved[w], set.of_employer[w] = given[at], given[at + 1], given[at + 2], given[at + 3] == 1
    set.by_employer = set.by_employer or set.of_employer[w]
  end
  all = all + given[last]
  last = last + 4 * given[last] + 1
  window_sets[s] = set
end

-- The person in hand, and how far each column has been read: what is said of the next begins behind it.
local calendar, set, shard, taken, waiting, leaving, log_size, asked_size
local log_at, name_at, slot_at, ask_at, left_at = 0, 0, 0, 0, 0
local rows -- their log, as the rows say it
-- What stands of them, by slot: `standing` slots of `stands` behind `base`, in the column itself until one more stands. Of it, what
-- the message's own employer sent.
local slots, stands, base, standing = {}, slots_of_rows, 0, 0
local ours, of_ours = {}, 0
-- Of those that wait: their names, once they are wanted, the slots that they are given, and these in bytes.
local names, slot_of, bytes_of = {}, {}, {}

local function put(list, many, slot)
  while many > 0 and list[many] > slot do
    list[many + 1] = list[many]
    many = many - 1
  end
  list[many + 1] = slot
end

local function stand(slot)
  if stands ~= slots then
    for i = 1, standing do slots[i] = stands[base + i] end
    stands, base = slots, 0
  end
  put(slots, standing, slot)
  standing = standing + 1
end

-- The first window that would hold too many with one more at `moment`, or 0; and until when those that would are full, as far as
-- `until_ms`: how much later does not matter. As many slots as the cap that lie within one window keep any other out from where the
-- last of them comes within it until the first has left it.
local function full(windows, caps, moment, until_ms)
  local against, free = 0, moment
  local lengths, of_employer, all, begins, many = windows.lengths, windows.of_employer, stands, base, standing
  for w = 1, #lengths do
    local cap, list, behind, held = caps[w], all, begins, many
    if of_employer[w] then list, behind, held = ours, 0, of_ours end
    if held >= cap then
      if cap < 1 then return against == 0 and w or against, NEVER end
      local length = lengths[w]
      for k = behind + held - cap + 1, behind + 1, -1 do
        local slot = list[k]
        if slot + length <= moment then break end
        local within = list[k + cap - 1] - length
        if within < slot and within < moment then
          if against == 0 then against = w end
          if slot + length > free then
            free = slot + length
            if free > until_ms then return against, free end
          end
          break
        end
      end
    end
  end
  return against, free
end

-- The earliest slot, or nil, and what stood against an earlier one as a code has it.
local function earliest(windows, caps, until_ms)
  local against, free = full(windows, caps, now, until_ms)
  if free <= until_ms then
    if against == 0 and is_open[calendar] then return now, 0 end
    local opens, closes, at = opens[calendar], closes[calendar], 1
    local many = #closes
    while true do
      while at <= many and closes[at] <= free do at = at + 1 end -- when it is open then or next
      if at > many then break end
      local moment, next_against = opens[at], nil
      if moment < free then moment = free end
      if moment > until_ms then break end
      next_against, free = full(windows, caps, moment, until_ms)
      if next_against == 0 then return moment, against == 0 and 1 or 1 + windows.before + against end
      if against == 0 then against = next_against end
      if free > until_ms then break end
    end
  end
  return nil, against == 0 and 1 or 1 + windows.before + against
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

-- Whether it is what the rows say with marks behind, which say what is done with.
local function is_with_marks(log)
  if not log or not rows then return false end
  local owning = 0
  for w = 1, waiting do
    if owns[ask_at + w] and owns[ask_at + w] ~= -1 then owning = owning + 1 end
  end
  local of_slots = 8 * (taken + owning)
  local of_names = log_size - of_slots - 1
  if sub(log, 1, of_names) ~= sub(rows, 1, of_names) then return false end
  local at, marks = of_names + 1, 0
  while sub(log, at, at) == '#' do
    at = (find(log, '\n', at, true) or #log) + 1
    marks = marks + 1
  end
  return #log == at + of_slots + 8 * marks and sub(log, at, at + of_slots) == sub(rows, of_names + 1)
end

-- The names of what waits, then of what gives its slot up, without what stands behind each.
local function read_names()
  local at = name_at + 1
  for i = 1, waiting + leaving do
    local ends = find(asked_names, '\n', at, true)
    names[i], at = sub(asked_names, at, ends - 1), ends + 1
  end
end

-- How far the names go of so many of what was handed on.
local function names_until(many)
  local ends = 0
  for _ = 1, many do ends = find(rows, '\n', ends + 1, true) end
  return ends
end

-- The log that stands now, in two halves, behind what was handed on: what goes now, then what waits.
local function written(of_names, of_slots, marks)
  for due = 1, 2 do
    for w = 1, waiting do
      local slot = slot_of[w]
      if slot and (slot <= now) == (due == 1) then
        of_names, of_slots = of_names .. names[w] .. '\n', of_slots .. (bytes_of[w] or packed('<d', slot))
      end
    end
  end
  for name, slot in pairs(marks or {}) do
    of_names, of_slots = of_names .. '#' .. name .. '\n', of_slots .. packed('<d', slot)
  end
  return of_names == '' and '' or of_names .. '\n' .. of_slots
end

local function write(key, text)
  local latest = standing > 0 and stands[base + standing] > now and stands[base + standing] or now
  call('SET', key, text, 'PX', as_text[latest + kept - now]) -- by Redis' own time, whatever the clock was moved to
end

-- Makes a log that is not as the rows say, or of which something goes, what stands now; whether it lacked a slot of theirs, or had it
-- elsewhere. What it had beyond them could only hold people back, and goes; what was proposed by a transaction that was not
-- committed is no difference.
local function made_right(key, text, gone)
  local in_rows, planned, marks, differs = read_log(rows or ''), {}, {}, false
  local from = 1
  for i = 1, taken do
    local till = find(rows, '\n', from, true)
    local name = sub(rows, from, till - 1)
    if i <= gone then in_rows[name] = nil else planned[name] = in_rows[name] end
    from = till + 1
  end
  for w = 1, waiting do planned[names[w]] = slot_of[w] end
  for i = 1, leaving do in_rows[names[waiting + i]] = left[left_at + i] end
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
  local of_names, of_slots = '', ''
  if taken > gone then
    local begins = find(rows, '\n\n', 1, true) + 2
    of_names = sub(rows, names_until(gone) + 1, names_until(taken))
    of_slots = sub(rows, begins + 8 * gone, begins + 8 * taken - 1)
  end
  local now_text = written(of_names, of_slots, marks)
  if now_text == '' then
    if text or next(log) then call('UNLINK', key) end
  elseif now_text ~= text then
    write(key, now_text)
  end
  return differs
end

local codes, answered, told = {}, 0, {}
-- Which of the person's messages have a slot: a few, however many wait.
local with_slot = {}

-- Decides for the person in hand; whether their log was not what the rows say.
local function decide(key, log)
  local windows = window_sets[set]
  local caps = windows.caps
  rows = log_size > 0 and sub(logs, log_at + 1, log_at + log_size)
  local gone = 0 -- of what was handed on, what is older than what is kept
  while gone < taken and slots_of_rows[slot_at + gone + 1] <= now - kept do gone = gone + 1 end
  stands, base, standing = slots_of_rows, slot_at + gone, taken - gone
  if halve_after > 0 then
    local unanswered = 0
    for i = 1, standing do
      if stands[base + i] <= now - unanswered_after then unanswered = unanswered + 1 end
    end
    if unanswered >= halve_after then caps = windows.halved end
  end

  local books, marks, have_slot = false, nil, 0
  for w = 1, waiting do
    local own = owns[ask_at + w]
    if own == -1 then own = nil end
    if windows.by_employer then
      of_ours = 0
      local employer, at = employers[handed_on + ask_at + w], slot_at + gone
      for i = at + 1, slot_at + taken do
        if employers[i] == employer then
          put(ours, of_ours, slots_of_rows[i])
          of_ours = of_ours + 1
        end
      end
      at = handed_on + ask_at
      for i = 1, have_slot do
        local before = with_slot[i]
        if employers[at + before] == employer then
          put(ours, of_ours, slot_of[before])
          of_ours = of_ours + 1
        end
      end
    end
    local slot, against
    if own and own <= now and now - own < slot_good and is_open[calendar] and full(windows, caps, own, own) == 0 then
      slot, against = own, 0
    else
      slot, against = earliest(windows, caps, untils[ask_at + w])
    end
    local what = NONE
    bytes_of[w] = nil
    if slot then
      have_slot = have_slot + 1
      with_slot[have_slot] = w
      stand(slot)
      if slot == now then
        what, bytes_of[w] = GOES, now_packed
      elseif slot == own then
        what = STAYS
      else
        what, bytes_of[w] = TOLD, packed('<d', slot)
        told[#told + 1] = bytes_of[w]
      end
    end
    if own ~= slot then
      books = true
      if own then
        marks = marks or {}
        marks[w] = own
      end
    end
    slot_of[w] = slot
    codes[answered + w] = code_text[4 * against + what]
  end
  answered = answered + waiting

  -- Mostly the log is what the rows say, and nothing of it goes: then it is not taken apart.
  if leaving == 0 and gone == 0 then
    local as_rows = log == rows
    if as_rows and not books then return false end
    if as_rows or is_with_marks(log) then
      read_names()
      local by_name
      if marks then
        by_name = {}
        for w, slot in pairs(marks) do by_name[names[w]] = slot end
      end
      local of_names, of_slots = '', ''
      if taken > 0 then
        local begins = find(rows, '\n\n', 1, true) + 2
        of_names, of_slots = sub(rows, 1, names_until(taken)), sub(rows, begins, begins + 8 * taken - 1)
      end
      write(key, written(of_names, of_slots, by_name))
      return false
    end
  end
  read_names()
  return made_right(key, log, gone)
end

local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
local shards = given[last]
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
local people = #KEYS - shards
local different = {} -- of each shard that is here
for s = 1, shards do
  if read[s] == run .. ':' .. given[last + 2 * s] then different[given[last + 2 * s - 1]] = 0 end
end
for k = shards + 1, #KEYS do
  local head = k - shards
  calendar, set, shard, taken = heads[head], heads[head + people], heads[head + 2 * people], heads[head + 3 * people]
  waiting, leaving = heads[head + 4 * people], heads[head + 5 * people]
  log_size, asked_size = heads[head + 6 * people], heads[head + 7 * people]
  if not different[shard] then
    for w = 1, waiting do codes[answered + w] = code_text[FENCED] end
    answered = answered + waiting
  elseif decide(KEYS[k], read[k]) then
    different[shard] = different[shard] + 1
  end
  log_at, name_at = log_at + log_size, name_at + asked_size
  slot_at, ask_at, left_at = slot_at + taken, ask_at + waiting, left_at + leaving
end
local of_shards = {}
for s = 1, shards do of_shards[s] = code_text[different[given[last + 2 * s - 1]] or FENCED] end
return now_packed .. concat(of_shards) .. concat(codes) .. concat(told)
