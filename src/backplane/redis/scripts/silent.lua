-- Takes those of whom nothing was heard for long; each is taken by one hub, for as long as that time.
--
-- KEYS: signs of life. ARGV: heard of before (ms), now (ms), how many at most. Returns their names.
local names = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[3])
for _, name in ipairs(names) do redis.call('ZADD', KEYS[1], ARGV[2], name) end
return names
