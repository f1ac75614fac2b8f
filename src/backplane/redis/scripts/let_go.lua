-- Lets go of claimed events; see grant.lua.
-- KEYS: claims. ARGV: connection, not before (ms), ids.
for i = 3, #ARGV do
  local claim = redis.call('HGET', KEYS[1], ARGV[i])
  local holder, held_until, grants, tried = string.match(claim or '', '^(%S+) (%d+) (%d+) %d+ %S+(.*)$')
  if holder == ARGV[1] then
    local free = '- ' .. held_until .. ' ' .. grants .. ' ' .. ARGV[2] .. ' ' .. ARGV[1] .. tried
    redis.call('HSET', KEYS[1], ARGV[i], free)
  end
end
