-- Removes what has waited too long in one queue, by its own word or by the retention.
-- KEYS: queues, queue, data, meta, priorities, expiries, claims, organizations with receipts.
-- ARGV: orchestrator, now (ms), how long an entry is kept (ms), retention (s), how many at most, receipts
-- kept, receipts prefix.
-- Returns how many entries expired, or a WRONGTYPE error, and then nothing has changed.
local queues, queue, data, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local priorities, expiries, claims = KEYS[5], KEYS[6], KEYS[7]
local orchestrator, now, keep = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local call = redis.call
if call('TYPE', queue).ok ~= 'zset' then
  call('ZREM', queues, orchestrator)
  call('DEL', expiries)
  return 0
end

for number, expected in pairs({ [3] = 'hash', [4] = 'hash', [5] = 'zset', [6] = 'zset', [7] = 'hash' }) do
  local found = call('TYPE', KEYS[number]).ok
  if found ~= expected and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[number] .. ' is a ' .. found)
  end
end

local owner = call('HGET', meta, 'organization') or '-'
-- Hubs tell nobody of their canaries; see domain/canary.rs.
local untold = string.sub(orchestrator, 1, 11) == 'hub_canary_'
local count = 0
local function take(ids)
  for _, id in ipairs(ids) do
    call('ZREM', expiries, id)
    if call('ZREM', queue, id) == 1 then
      call('HDEL', data, id)
      call('ZREM', priorities, id)
      call('HDEL', claims, id)
      if not untold then
        redis.pcall('XADD', ARGV[7] .. owner, 'MAXLEN', '~', ARGV[6], '*', 'event', id, 'orchestrator',
          orchestrator, 'outcome', 'expired', 'at', ARGV[2])
      end
      count = count + 1
    end
  end
end
take(call('ZRANGEBYSCORE', expiries, '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[5]))
take(call('ZRANGEBYSCORE', queue, '-inf', string.format('(%.0f', now - keep), 'LIMIT', 0, ARGV[5]))
if count > 0 then
  if not untold then redis.pcall('SADD', KEYS[8], owner) end
  call('HINCRBY', meta, 'expired', count)
  call('HSETNX', meta, 'epoch', ARGV[2])
  call('EXPIRE', meta, ARGV[4])
end

local oldest = call('ZRANGE', queue, 0, 0, 'WITHSCORES')
if oldest[2] then
  local due = math.floor(tonumber(oldest[2])) + keep
  local first = call('ZRANGE', expiries, 0, 0, 'WITHSCORES')
  if first[2] then due = math.min(due, tonumber(first[2])) end
  call('ZADD', queues, string.format('%.0f', due), orchestrator)
else
  call('ZREM', queues, orchestrator)
end
return count
