-- Replaces a session record, unless it has changed since it was read.
-- KEYS: session. ARGV: the record as read, the new record, its lifetime (ms). Returns 1 when replaced.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
