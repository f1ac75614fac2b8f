-- Notes ids as acknowledged that no queue holds; the memory is bounded as in commit.lua.
--
-- KEYS: acks, acks before. ARGV: retention (s), ack memory, ids.
for i = 3, #ARGV do redis.call('SADD', KEYS[1], ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then redis.call('RENAME', KEYS[1], KEYS[2]) end
