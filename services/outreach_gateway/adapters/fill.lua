-- Builds the windows of one shard anew: begun, filled page by page, and opened, each in one atomic call.
--
-- KEYS[1]     the marker of the shard: "building:RUN:EPOCH" while it is filled, "RUN:EPOCH" once it is open (`book.lua`)
-- KEYS[1+n]   one log a person of this page, as `book.lua` reads it; whatever is there makes way
-- ARGV        what (begin, place or open), epoch; of a page the time (ms), for how long after it or after their last slot a
--             log is kept (ms), and JSON: for each person their last slot (ms), then score and member of each, as texts
-- A page goes where its building was begun alone: not on a server that has taken over since, and not into windows that
-- somebody else has built or opened meanwhile.

local what, epoch = ARGV[1], ARGV[2]
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local opened = run .. ':' .. epoch
local building = 'building:' .. opened
local marker = redis.pcall('GET', KEYS[1])

if what == 'begin' then
  return redis.call('SET', KEYS[1], building)
end
if marker ~= building and not (what == 'open' and marker == opened) then
  return redis.error_reply('FENCED this building was not begun on this server, or is over')
end
if what == 'open' then
  return redis.call('SET', KEYS[1], opened)
end

local now, kept = tonumber(ARGV[3]), tonumber(ARGV[4])
for k, person in ipairs(cjson.decode(ARGV[5])) do
  local slots, in_order = {}, true
  for at = 2, #person, 2 do
    slots[at / 2] = { tonumber(person[at]), person[at + 1] }
    local one, before = slots[at / 2], slots[at / 2 - 1]
    in_order = in_order and (not before or before[1] < one[1])
  end
  if not in_order then
    table.sort(slots, function(one, other)
      return one[1] < other[1] or (one[1] == other[1] and one[2] < other[2])
    end)
  end
  local names, packed = {}, {}
  for i = 1, #slots do
    names[i], packed[i] = slots[i][2], struct.pack('<d', slots[i][1])
  end
  local log = table.concat(names, '\n') .. '\n\n' .. table.concat(packed)
  redis.call('SET', KEYS[k + 1], log, 'PX', string.format('%.0f', math.max(now, person[1]) + kept - now))
end
return 'OK'
