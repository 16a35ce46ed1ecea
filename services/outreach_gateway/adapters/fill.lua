-- Builds the windows of one shard anew: begun, filled page by page, and opened, each in one atomic call.
--
-- KEYS[1]     the marker of the shard: "building:RUN:EPOCH" while it is filled, "RUN:EPOCH" once it is open (`book.lua`)
-- KEYS[1+n]   one log a person of this page; whatever is there makes way
-- ARGV        what (begin, place or open), epoch, then for each person: when their log may be forgotten (ms), count, then
--             score (ms) and member each
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
local next_argument = 3
for k = 2, #KEYS do
  local expires, count = ARGV[next_argument], tonumber(ARGV[next_argument + 1])
  local first = next_argument + 2
  next_argument = first + 2 * count
  redis.call('UNLINK', KEYS[k])
  for from = first, next_argument - 1, FEW do
    redis.call('ZADD', KEYS[k], unpack(ARGV, from, math.min(from + FEW, next_argument) - 1))
  end
  redis.call('PEXPIREAT', KEYS[k], expires)
end
return 'OK'
