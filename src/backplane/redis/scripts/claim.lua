-- Takes a legacy list away from its writers.
-- KEYS: the list, the claim. ARGV: which end of the list is the newest, 'head' or 'tail'; how long a
-- claim is kept (s); how many entries to return.
-- Returns the oldest of what is claimed, in the list's order; an earlier claim that was not released
-- included.
local list, claim = KEYS[1], KEYS[2]
local call = redis.call
if call('TYPE', list).ok == 'list' then
  if call('EXISTS', claim) == 0 then
    call('RENAME', list, claim)
  else
    local entries = call('LRANGE', list, 0, -1)
    if ARGV[1] == 'head' then
      for i = #entries, 1, -1 do call('LPUSH', claim, entries[i]) end
    else
      for i = 1, #entries do call('RPUSH', claim, entries[i]) end
    end
    call('DEL', list)
  end
end
call('EXPIRE', claim, ARGV[2])
local count = tonumber(ARGV[3])
if ARGV[1] == 'head' then return call('LRANGE', claim, -count, -1) end
return call('LRANGE', claim, 0, count - 1)
