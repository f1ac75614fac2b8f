-- Forgets the oldest entries of a claim, unless another hub has done so already.
-- KEYS: the claim. ARGV: how many, the oldest entry, which end is the newest ('head' or 'tail').
local claim, count = KEYS[1], tonumber(ARGV[1])
local call = redis.call
if ARGV[3] == 'head' then
  if call('LINDEX', claim, -1) == ARGV[2] then call('LTRIM', claim, 0, -count - 1) end
else
  if call('LINDEX', claim, 0) == ARGV[2] then call('LTRIM', claim, count, -1) end
end
