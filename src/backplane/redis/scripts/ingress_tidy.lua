-- Strikes readers off the group that are silent and hold nothing, in one step: one that takes an entry
-- meanwhile must not lose it. KEYS: stream. ARGV: group, reader that stays, silence (ms).
-- Returns how many were struck off.
local struck = 0
for _, reader in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for i = 1, #reader, 2 do facts[reader[i]] = reader[i + 1] end
  if facts.name ~= ARGV[2] and facts.pending == 0 and facts.idle >= tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
    struck = struck + 1
  end
end
return struck
