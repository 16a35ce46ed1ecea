-- Builds the windows of one shard anew: begun, filled page by page, and opened, each in one atomic call.
--
-- KEYS[1]     the marker of the shard: "building:RUN:EPOCH" while it is filled, "RUN:EPOCH" once it is open (`book.lua`)
-- KEYS[1+n]   one log a person of this page; whatever is there makes way
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

local FEW = 2000 -- Lua takes some thousand values of a call
local now, kept = tonumber(ARGV[3]), tonumber(ARGV[4])
for k, person in ipairs(cjson.decode(ARGV[5])) do
  local log = KEYS[k + 1]
  redis.call('UNLINK', log)
  for from = 2, #person, FEW do
    redis.call('ZADD', log, unpack(person, from, math.min(from + FEW - 1, #person)))
  end
  redis.call('PEXPIREAT', log, math.max(now, person[1]) + kept)
end
return 'OK'
