-- Drops everything that waits in one queue, and counts it.
-- KEYS: queues, queue, data, meta, priorities. ARGV: orchestrator, retention (s).
-- Returns how many entries were dropped.
local queues, queue, data, meta, priorities = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call = redis.call
if call('TYPE', queue).ok ~= 'zset' then return 0 end
local count = call('ZCARD', queue)
call('DEL', queue, data, priorities)
call('ZREM', queues, ARGV[1])
call('HINCRBY', meta, 'dropped', count)
call('EXPIRE', meta, ARGV[2])
return count
