-- Reads everything about one orchestrator's queue in one step. Changes nothing.
-- KEYS: queues, queue, data, meta, acks, acks before, priorities, expiries, claims. ARGV: orchestrator.
-- Returns: the keys of another type as (key, what is there) pairs, impossible counts among them; accepted,
-- acknowledged, expired, dropped, dead; then the ids of the entries, the bodies, the priorities, the expiries and the claims; those entries that
-- are remembered; whether the queue is in the index.
local call = redis.call
local foreign = {}

-- Whether a key is there; one of another type is noted, and taken for missing.
local function has(key, kind)
  local found = call('TYPE', key).ok
  if found == kind then return true end
  -- A list in the queue's place is what an original publisher left: ingress, not damage.
  if found ~= 'none' and not (key == KEYS[2] and found == 'list') then
    foreign[#foreign + 1] = key
    foreign[#foreign + 1] = found
  end
  return false
end

local function members(key) return has(key, 'zset') and call('ZRANGE', key, 0, -1) or {} end
local function fields(key) return has(key, 'hash') and call('HKEYS', key) or {} end

local books = { 0, 0, 0, 0, 0 }
if has(KEYS[4], 'hash') then
  local names = { 'accepted', 'acknowledged', 'expired', 'dropped', 'dead' }
  local kept = call('HMGET', KEYS[4], unpack(names))
  for field = 1, 5 do
    local count = tonumber(kept[field] or 0)
    if not count or count < 0 then
      -- Somebody else has counted.
      foreign[#foreign + 1] = KEYS[4]
      foreign[#foreign + 1] = 'count of ' .. kept[field] .. ' ' .. names[field]
    end
    books[field] = math.max(0, count or 0)
  end
end

local entries, remembered = members(KEYS[2]), {}
local acks, acks_before = has(KEYS[5], 'set'), has(KEYS[6], 'set')
for _, id in ipairs(entries) do
  local taken = acks and call('SISMEMBER', KEYS[5], id) == 1
  if taken or (acks_before and call('SISMEMBER', KEYS[6], id) == 1) then remembered[#remembered + 1] = id end
end

local indexed = has(KEYS[1], 'zset') and call('ZSCORE', KEYS[1], ARGV[1])
local bodies, priorities = fields(KEYS[3]), members(KEYS[7])
local expiries, claims = members(KEYS[8]), fields(KEYS[9])
return { foreign, books, entries, bodies, priorities, expiries, claims, remembered, indexed and 1 or 0 }
