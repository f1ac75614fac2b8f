-- Strikes readers off the group that are silent and hold nothing, in one step: one that takes an entry
-- meanwhile must not lose it. And removes entries that are confirmed and still there: what the group has
-- read and none of its readers holds.
-- KEYS: stream. ARGV: group, reader that stays, silence (ms).
-- Returns how many readers were struck off, and how many entries removed.
local stream, group = KEYS[1], ARGV[1]
local call = redis.call

local function facts_of(list)
  local facts = {}
  for i = 1, #list, 2 do facts[list[i]] = list[i + 1] end
  return facts
end

local struck = 0
for _, reader in ipairs(call('XINFO', 'CONSUMERS', stream, group)) do
  local facts = facts_of(reader)
  if facts.name ~= ARGV[2] and facts.pending == 0 and facts.idle >= tonumber(ARGV[3]) then
    call('XGROUP', 'DELCONSUMER', stream, group, facts.name)
    struck = struck + 1
  end
end

local function is_before(one, other)
  local ms, number = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_number = string.match(other, '^(%d+)-(%d+)$')
  if ms ~= other_ms then return tonumber(ms) < tonumber(other_ms) end
  return tonumber(number) < tonumber(other_number)
end

local removed = 0
for _, reading in ipairs(call('XINFO', 'GROUPS', stream)) do
  local facts = facts_of(reading)
  if facts.name == group then
    local read, held = facts['last-delivered-id'], call('XPENDING', stream, group)
    if held[1] == 0 then
      removed = call('XTRIM', stream, 'MINID', read) + call('XDEL', stream, read)
    else
      -- Somebody may have set the group back behind what is held.
      removed = call('XTRIM', stream, 'MINID', is_before(read, held[2]) and read or held[2])
    end
  end
end
return { struck, removed }
