-- One group commit. For each orchestrator its changes, its counters and its receipts move in this one
-- step, by the rules of `backplane/rules`. A group whose keys somebody else uses for something else fails
-- alone.
--
-- KEYS: queues, recent acks, organizations with receipts, unfiled dead letters; then per group: queue, data,
-- meta, acks, acks before, priorities, claimed legacy list, expiries, claims.
-- ARGV: now (ms), queue capacity, retention (s), ack memory, recent acks, how long an entry is kept (ms),
-- capacity for unfiled dead letters, receipts kept, receipts prefix, groups; then per group: orchestrator,
-- organization or ''; count and (id, daemon, attempts) completed; count and (id, ms, priority, expiry or '',
-- body) to store; count and (id, connection, until) claims; count and (id, priority, expiry or '', body) to
-- redrive; count and (id, daemon, attempts) acknowledged; count and (id, reason, attempts, daemon, history)
-- dead.
-- Returns: one letter per store in order (S stored, D duplicate, A already acknowledged, E failed); for each
-- group how many entries left its queue by acknowledgement, how many as dead letters, and how many came
-- back; the dropped as (group, id) pairs; the failures as (group, problem) pairs; and how many unfiled dead
-- letters were lost.
local queues, recent, organizations, unfiled = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, capacity, retention = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local ack_memory, recent_acks, keep = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local unfiled_capacity, receipts_kept, receipts_prefix = ARGV[7], ARGV[8], ARGV[9]
local argument, key = 10, 5
local call = redis.call

-- The next list of the group: its length, then that many records of `width` arguments.
local function list(width)
  local count = tonumber(ARGV[argument + 1])
  local first = argument + 2
  argument = argument + 1 + count * width
  return count, first
end

local outcomes, counts, drops, failures, fresh_acks, receipted = {}, {}, {}, {}, {}, {}
local given_up = false

-- The group that is being written. The functions below are made once, not for each group: that shows where
-- groups are small.
local group, orchestrator, organization, stream, side
local queue, data, meta, acks, acks_before, priorities, claimed, expiries, claims
local completed_count, completed, store_count, stores, claim_count, claim_list
local redriven_count, redriven_list, ack_count, taken, dead_count, buried_list
local letters, left, buried, redriven, remembered, first_due

-- Most queues have neither priorities nor expiries nor claims: asking once spares three commands for
-- each entry that leaves.
local function has_side()
  if side == nil then side = call('EXISTS', priorities, expiries, claims) > 0 end
  return side
end

-- Finds what somebody else has put under the group's names before anything is written, for nothing can be
-- taken back. What the first change of a kind reads anyhow is not read twice: the queue's own name shows in
-- `remove`, and the older acknowledged ids in `known`.
local function examine()
  call('HLEN', meta)
  call('SCARD', acks)
  -- Most groups concern nothing that waits.
  if store_count + redriven_count > 0 or call('EXISTS', queue) == 1 then
    call('HLEN', data)
    if has_side() then
      call('ZCARD', priorities)
      call('ZCARD', expiries)
      call('HLEN', claims)
    end
  end
  if redriven_count > 0 then call('SCARD', acks_before) end
  if dead_count > 0 then call('XLEN', unfiled) end
end

local function forget(id)
  call('HDEL', data, id)
  if has_side() then
    call('ZREM', priorities, id)
    call('ZREM', expiries, id)
    call('HDEL', claims, id)
  end
end

-- An original publisher may have made a list under the queue's name: it is ingress, set it aside.
local function remove(id)
  local removed = redis.pcall('ZREM', queue, id)
  if type(removed) == 'table' then
    if not string.find(removed.err, 'WRONGTYPE', 1, true) then error(removed) end
    local entries = call('LRANGE', queue, 0, -1)
    for i = #entries, 1, -1 do call('LPUSH', claimed, entries[i]) end
    call('DEL', queue)
    return false
  end
  if removed == 0 then return false end
  forget(id)
  return true
end

-- What cannot be receipted is delivered all the same.
local function receipt(id, outcome, ...)
  -- Hubs tell nobody of their canaries; see domain/canary.rs.
  if string.sub(orchestrator, 1, 11) == 'hub_canary_' then return end
  if not stream then
    local owner = organization
    if owner == '' then owner = call('HGET', meta, 'organization') or '-' end
    stream, receipted[owner] = receipts_prefix .. owner, true
  end
  redis.pcall('XADD', stream, 'MAXLEN', '~', receipts_kept, '*', 'event', id, 'orchestrator', orchestrator,
    'outcome', outcome, 'at', now, ...)
end

-- Acknowledged ids live in two generations, so that the memory is bounded without a scan and never
-- forgets a recent one.
local function known(id)
  return call('SISMEMBER', acks, id) == 1 or call('SISMEMBER', acks_before, id) == 1
end
local function remember(id)
  if call('SADD', acks, id) == 0 then return false end
  remembered = remembered + 1
  fresh_acks[#fresh_acks + 1] = orchestrator .. ' ' .. id
  return true
end

local function append(id, ms, priority, expiry, body)
  -- Arrival order inside one millisecond is kept in the fraction of the score.
  local score = tonumber(ms)
  local beyond = string.format('(%.0f', score + 1)
  local last = call('ZREVRANGEBYSCORE', queue, beyond, ms, 'WITHSCORES', 'LIMIT', 0, 1)
  local due = score + keep
  if last[2] then score = tonumber(last[2]) + 1 / 4096 end
  -- The body first: an entry never waits without one.
  call('HSETNX', data, id, body)
  if call('ZADD', queue, 'NX', string.format('%.17g', score), id) == 0 then return false end
  if priority ~= '0' then
    call('ZADD', priorities, priority, id)
    side = true
  end
  if expiry ~= '' then
    call('ZADD', expiries, expiry, id)
    due, side = math.min(due, tonumber(expiry)), true
  end
  first_due = math.min(first_due, due)
  return true
end

local function apply()
  examine()
  local accepted, overtaken, dropped, stored, fresh = 0, 0, 0, 0, {}
  for i = completed, completed + (completed_count - 1) * 3, 3 do
    local id = ARGV[i]
    local before = call('SISMEMBER', acks_before, id) == 1
    local waited, new = remove(id), remember(id)
    local first = not waited and new and not before
    if waited then left = left + 1 end
    if first then accepted, overtaken = accepted + 1, overtaken + 1 end
    if waited or first then
      receipt(id, 'acknowledged', 'daemon', ARGV[i + 1], 'attempts', ARGV[i + 2])
    end
  end

  if store_count + redriven_count > 0 then remove('') end
  for i = stores, stores + (store_count - 1) * 5, 5 do
    local id = ARGV[i]
    if known(id) then
      letters[#letters + 1] = 'A'
    elseif append(id, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]) then
      accepted, stored, fresh[id] = accepted + 1, stored + 1, true
      letters[#letters + 1] = 'S'
    else
      letters[#letters + 1] = 'D'
    end
  end

  for i = claim_list, claim_list + (claim_count - 1) * 3, 3 do
    if fresh[ARGV[i]] then
      call('HSET', claims, ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2] .. ' 1 0 -')
      side = true
    end
  end

  for i = redriven_list, redriven_list + (redriven_count - 1) * 4, 4 do
    local id = ARGV[i]
    if append(id, now, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) then
      call('SREM', acks, id)
      call('SREM', acks_before, id)
      redriven = redriven + 1
      -- The counters may be younger than the dead letter.
      if tonumber(call('HGET', meta, 'dead') or 0) > 0 then
        call('HINCRBY', meta, 'dead', -1)
      else
        accepted = accepted + 1
      end
    end
  end

  for i = taken, taken + (ack_count - 1) * 3, 3 do
    local id = ARGV[i]
    if remove(id) then
      left = left + 1
      remember(id)
      receipt(id, 'acknowledged', 'daemon', ARGV[i + 1], 'attempts', ARGV[i + 2])
    end
  end

  for i = buried_list, buried_list + (dead_count - 1) * 5, 5 do
    local id, reason, attempts, daemon = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    if type(redis.pcall('ZSCORE', queue, id)) == 'string' then
      local owner = organization
      if owner == '' then owner = call('HGET', meta, 'organization') or '' end
      -- First, so that it is never nowhere.
      call('XADD', unfiled, '*', 'orchestrator', orchestrator, 'organization', owner, 'event', id,
        'reason', reason, 'attempts', attempts, 'daemon', daemon, 'history', ARGV[i + 4], 'at', now,
        'body', call('HGET', data, id) or '')
      remove(id)
      remember(id)
      buried, given_up = buried + 1, true
      receipt(id, 'dead', 'daemon', daemon, 'attempts', attempts, 'reason', reason)
    end
  end

  -- After everything that makes room: what is dropped was not taken in the same batch.
  if stored + redriven > 0 then
    local excess = call('ZCARD', queue) - capacity
    if excess > 0 then
      local oldest = call('ZPOPMIN', queue, excess)
      for i = 1, #oldest, 2 do
        forget(oldest[i])
        receipt(oldest[i], 'dropped')
        drops[#drops + 1] = tostring(group)
        drops[#drops + 1] = oldest[i]
        dropped = dropped + 1
      end
      call('HSETNX', meta, 'epoch', now)
    end
    call('EXPIRE', queue, retention)
    call('EXPIRE', data, retention)
    if has_side() then
      for _, name in ipairs({ priorities, expiries, claims }) do call('EXPIRE', name, retention) end
    end
    -- It belongs to nobody's queue; without it nothing expires, which shows, and all else goes on.
    local indexed = redis.pcall('ZADD', queues, 'LT', string.format('%.0f', first_due), orchestrator)
    if type(indexed) == 'table' and not string.find(indexed.err, 'WRONGTYPE', 1, true) then error(indexed) end
    if organization ~= '' then call('HSET', meta, 'organization', organization) end
  end

  if remembered > 0 then
    call('EXPIRE', acks, retention)
    if call('SCARD', acks) >= ack_memory then call('RENAME', acks, acks_before) end
  end
  local acknowledged = left + overtaken
  if accepted > 0 then call('HINCRBY', meta, 'accepted', accepted) end
  if acknowledged > 0 then call('HINCRBY', meta, 'acknowledged', acknowledged) end
  if dropped > 0 then call('HINCRBY', meta, 'dropped', dropped) end
  if buried > 0 then call('HINCRBY', meta, 'dead', buried) end
  if accepted + acknowledged + dropped + buried + redriven > 0 then call('EXPIRE', meta, retention) end
end

for number = 1, tonumber(ARGV[10]) do
  group, stream, side = number, nil, nil
  letters, left, buried, redriven, remembered, first_due = {}, 0, 0, 0, 0, math.huge
  queue, data, meta, acks, acks_before = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], KEYS[key + 4]
  priorities, claimed, expiries, claims = KEYS[key + 5], KEYS[key + 6], KEYS[key + 7], KEYS[key + 8]
  key = key + 9
  orchestrator, organization = ARGV[argument + 1], ARGV[argument + 2]
  argument = argument + 2
  completed_count, completed = list(3)
  store_count, stores = list(5)
  claim_count, claim_list = list(3)
  redriven_count, redriven_list = list(4)
  ack_count, taken = list(3)
  dead_count, buried_list = list(5)

  local ok, problem = pcall(apply)
  if not ok then
    local text = type(problem) == 'table' and problem.err or tostring(problem)
    -- Everything else (no memory, a read-only replica) is the server's trouble and passes: the whole
    -- batch comes again, and what was applied of it changes nothing then.
    if not string.find(text, 'WRONGTYPE', 1, true) then return redis.error_reply(text) end
    for i = 1, store_count do letters[i] = 'E' end
    failures[#failures + 1] = tostring(group)
    failures[#failures + 1] = text
  end
  outcomes[group] = table.concat(letters)
  counts[#counts + 1], counts[#counts + 2], counts[#counts + 3] = left, buried, redriven
end

if #fresh_acks > 0 then
  for from = 1, #fresh_acks, 1000 do
    redis.pcall('LPUSH', recent, unpack(fresh_acks, from, math.min(from + 999, #fresh_acks)))
  end
  redis.pcall('LTRIM', recent, 0, recent_acks - 1)
  redis.pcall('EXPIRE', recent, retention)
end

local owners = {}
for owner in pairs(receipted) do owners[#owners + 1] = owner end
if #owners > 0 then redis.pcall('SADD', organizations, unpack(owners)) end

local lost = 0
if given_up then lost = call('XTRIM', unfiled, 'MAXLEN', '~', unfiled_capacity) end

return { table.concat(outcomes), counts, drops, failures, lost }
