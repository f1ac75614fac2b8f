-- Takes a daemon into the fleet, after those that were silent for too long have left.
-- KEYS: state, active, last states. ARGV: daemon, record, now (ms), lifetime (s), forgotten before (ms),
-- capacity. Returns 1 when it is a member.
local call = redis.call
local gone = call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[5], 'LIMIT', 0, 1000)
for _, id in ipairs(gone) do
  call('ZREM', KEYS[2], id)
  call('HDEL', KEYS[3], id)
end
if not call('ZSCORE', KEYS[2], ARGV[1]) and call('ZCARD', KEYS[2]) >= tonumber(ARGV[6]) then return 0 end
call('SET', KEYS[1], ARGV[2], 'EX', ARGV[4])
call('ZADD', KEYS[2], ARGV[3], ARGV[1])
call('HSET', KEYS[3], ARGV[1], ARGV[2])
return 1
