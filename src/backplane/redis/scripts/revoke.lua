-- Makes a revocation hold; never weaker or shorter than one that is there.
-- KEYS: revocation. ARGV: value, lifetime (ms).
local call = redis.call
local value, life = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = tonumber(call('GET', KEYS[1]) or '')
if before and before > value then value = before end
local left = call('PTTL', KEYS[1])
if left > life then life = left end
local text = string.format('%.0f', value)
if left == -1 then call('SET', KEYS[1], text) else call('SET', KEYS[1], text, 'PX', life) end
