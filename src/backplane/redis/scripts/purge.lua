-- Drops everything that waits in one queue, counts it, and writes receipts.
-- KEYS: queues, queue, data, meta, priorities, expiries, claims, organizations with receipts.
-- ARGV: orchestrator, now (ms), retention (s), receipts kept, receipts prefix.
-- Returns how many entries were dropped.
local queues, queue, data, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call
if call('TYPE', queue).ok ~= 'zset' then return 0 end
local owner = call('HGET', meta, 'organization') or '-'
local ids = call('ZRANGE', queue, 0, -1)
-- Hubs tell nobody of their canaries; see domain/canary.rs.
local untold = string.sub(ARGV[1], 1, 11) == 'hub_canary_'
for _, id in ipairs(untold and {} or ids) do
  redis.pcall('XADD', ARGV[5] .. owner, 'MAXLEN', '~', ARGV[4], '*', 'event', id, 'orchestrator', ARGV[1],
    'outcome', 'dropped', 'at', ARGV[2])
end
if not untold then redis.pcall('SADD', KEYS[8], owner) end
call('DEL', queue, data, KEYS[5], KEYS[6], KEYS[7])
call('ZREM', queues, ARGV[1])
call('HINCRBY', meta, 'dropped', #ids)
call('HSETNX', meta, 'epoch', ARGV[2])
call('EXPIRE', meta, ARGV[3])
return #ids
