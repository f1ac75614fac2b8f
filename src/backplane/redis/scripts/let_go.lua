-- Lets go of claimed events; see grant.lua.
-- KEYS: claims. ARGV: connection, not before (ms), ids.
for i = 3, #ARGV do
  local claim = redis.call('HGET', KEYS[1], ARGV[i])
  local holder, held_until, grants = string.match(claim or '', '^(%S+) (%d+) (%d+) ')
  if holder == ARGV[1] then
    redis.call('HSET', KEYS[1], ARGV[i], '- ' .. held_until .. ' ' .. grants .. ' ' .. ARGV[2] .. ' ' .. ARGV[1])
  end
end
