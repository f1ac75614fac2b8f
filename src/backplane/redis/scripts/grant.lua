-- Claims events for one of several connections, by the rules of `backplane/rules/claims.rs`.
-- KEYS: data, claims, connections. ARGV: connection, until (ms), now (ms), courtesy (ms), retention (s), how
-- many are granted at most, ids.
-- A claim is `holder until grants not_before last`, with `-` for nobody, and then what is known of the latest
-- attempt, if there was one; see tried.lua.
-- Returns for each id how often it was granted before, or -1.
local data, claims, connections = KEYS[1], KEYS[2], KEYS[3]
local me, untl, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local call = redis.call
local others
local function alone()
  if not others then others = call('SCARD', connections) - call('SISMEMBER', connections, me) end
  return others == 0
end

local answers, granted = {}, 0
for i = 7, #ARGV do
  local id, before = ARGV[i], -1
  if granted < tonumber(ARGV[6]) and call('HEXISTS', data, id) == 1 then
    local claim = call('HGET', claims, id)
    local holder, held_until, grants, not_before, last, tried =
      string.match(claim or '', '^(%S+) (%d+) (%d+) (%d+) (%S+)(.*)$')
    if not holder then
      before = 0
      call('HSET', claims, id, me .. ' ' .. untl .. ' 1 0 -')
    elseif holder == me then
      before = tonumber(grants) - 1
      call('HSET', claims, id, me .. ' ' .. untl .. ' ' .. grants .. ' ' .. not_before .. ' ' .. last .. tried)
    else
      local from = tonumber(not_before)
      local held = tonumber(held_until) > now and call('SISMEMBER', connections, holder) == 1
      local courtesy = last == me and now < from + tonumber(ARGV[4]) and not alone()
      if not held and now >= from and not courtesy then
        before = tonumber(grants)
        local kept = ' ' .. not_before .. ' ' .. last .. tried
        call('HSET', claims, id, me .. ' ' .. untl .. ' ' .. before + 1 .. kept)
      end
    end
  end
  if before >= 0 then granted = granted + 1 end
  answers[#answers + 1] = before
end
if granted > 0 then call('EXPIRE', claims, ARGV[5]) end
return answers
