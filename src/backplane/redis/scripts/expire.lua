-- Removes what has waited too long in one queue.
-- KEYS: queues, queue, data, meta, priorities. ARGV: orchestrator, cutoff (ms), retention (s).
-- Returns how many entries expired.
local queues, queue, data, meta, priorities = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call = redis.call
if call('TYPE', queue).ok ~= 'zset' then
  call('ZREM', queues, ARGV[1])
  return 0
end
local old = call('ZRANGEBYSCORE', queue, '-inf', '(' .. ARGV[2])
for _, id in ipairs(old) do
  call('ZREM', queue, id)
  call('HDEL', data, id)
  call('ZREM', priorities, id)
end
if #old > 0 then
  call('HINCRBY', meta, 'expired', #old)
  call('EXPIRE', meta, ARGV[3])
end
local first = call('ZRANGE', queue, 0, 0, 'WITHSCORES')
if first[2] then call('ZADD', queues, first[2], ARGV[1]) else call('ZREM', queues, ARGV[1]) end
return #old
