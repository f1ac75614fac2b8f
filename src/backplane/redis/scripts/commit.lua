-- One group commit. For each orchestrator its changes and its counters move in this one step. A group
-- whose keys somebody else uses for something else fails alone.
--
-- KEYS: queues, recent acks; then per group: queue, data, meta, acks, acks before, priorities, dead
-- letters, claimed legacy list.
-- ARGV: now (ms), queue capacity, retention (s), ack memory, recent acks, dead letter capacity, groups;
-- then per group: orchestrator; count and ids completed; count and (id, ms, priority, body) to store;
-- count and ids acknowledged; count and (id, reason, attempts) dead.
-- Returns: one letter per store in order (S stored, D duplicate, A already acknowledged, E failed), how
-- many entries left each group's queue by acknowledgement, the dropped as (group, id) pairs, and the
-- failures as (group, problem) pairs.
local queues, recent = KEYS[1], KEYS[2]
local now, capacity, retention = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local ack_memory, recent_acks, dead_capacity = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local argument, key = 7, 3
local call = redis.call

-- The next list of the group: its length, then that many records of `width` arguments.
local function list(width)
  local count = tonumber(ARGV[argument + 1])
  local first = argument + 2
  argument = argument + 1 + count * width
  return count, first
end

local outcomes, left_counts, drops, failures, fresh_acks = {}, {}, {}, {}, {}

for group = 1, tonumber(ARGV[7]) do
  local queue, data, meta, acks = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3]
  local acks_before, priorities, dead, claimed = KEYS[key + 4], KEYS[key + 5], KEYS[key + 6], KEYS[key + 7]
  key = key + 8
  argument = argument + 1
  local orchestrator = ARGV[argument]
  local completed_count, completed = list(1)
  local store_count, stores = list(4)
  local ack_count, taken = list(1)
  local dead_count, buried_list = list(3)
  local letters, left = {}, 0

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
    call('HDEL', data, id)
    call('ZREM', priorities, id)
    return true
  end

  -- Acknowledged ids live in two generations, so that the memory is bounded without a scan and never
  -- forgets a recent one.
  local remembered = 0
  local function known(id)
    return call('SISMEMBER', acks, id) == 1 or call('SISMEMBER', acks_before, id) == 1
  end
  local function remember(id)
    if call('SADD', acks, id) == 0 then return false end
    remembered = remembered + 1
    fresh_acks[#fresh_acks + 1] = orchestrator .. ' ' .. id
    return true
  end

  local function apply()
    local accepted, overtaken, dropped, buried, stored = 0, 0, 0, 0, 0
    for i = completed, completed + completed_count - 1 do
      local id = ARGV[i]
      local waited, new = remove(id), remember(id)
      if waited then
        left = left + 1
      elseif new and call('SISMEMBER', acks_before, id) == 0 then
        accepted, overtaken = accepted + 1, overtaken + 1
      end
    end

    if store_count > 0 then remove('') end
    for i = stores, stores + (store_count - 1) * 4, 4 do
      local id, ms, priority, body = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
      if known(id) then
        letters[#letters + 1] = 'A'
      else
        -- Arrival order inside one millisecond is kept in the fraction of the score.
        local score = tonumber(ms)
        local beyond = string.format('(%.0f', score + 1)
        local last = call('ZREVRANGEBYSCORE', queue, beyond, ms, 'WITHSCORES', 'LIMIT', 0, 1)
        if last[2] then score = tonumber(last[2]) + 1 / 4096 end
        -- The body first: an entry never waits without one.
        call('HSETNX', data, id, body)
        if call('ZADD', queue, 'NX', string.format('%.17g', score), id) == 1 then
          if priority ~= '0' then call('ZADD', priorities, priority, id) end
          accepted, stored = accepted + 1, stored + 1
          letters[#letters + 1] = 'S'
        else
          letters[#letters + 1] = 'D'
        end
      end
    end

    for i = taken, taken + ack_count - 1 do
      if remove(ARGV[i]) then
        left = left + 1
        remember(ARGV[i])
      end
    end

    for i = buried_list, buried_list + (dead_count - 1) * 3, 3 do
      local id, reason, attempts = ARGV[i], ARGV[i + 1], ARGV[i + 2]
      local body = call('HGET', data, id)
      if remove(id) then
        buried = buried + 1
        remember(id)
        call('LPUSH', dead, '{"id":' .. cjson.encode(id) .. ',"reason":"' .. reason .. '","attempts":' .. attempts
          .. ',"at":' .. now .. ',"event":' .. (body or 'null') .. '}')
      end
    end
    if buried > 0 then
      call('LTRIM', dead, 0, dead_capacity - 1)
      call('EXPIRE', dead, retention)
    end

    -- After everything that makes room: what is dropped was not taken in the same batch.
    if stored > 0 then
      local excess = call('ZCARD', queue) - capacity
      if excess > 0 then
        local oldest = call('ZPOPMIN', queue, excess)
        for i = 1, #oldest, 2 do
          call('HDEL', data, oldest[i])
          call('ZREM', priorities, oldest[i])
          drops[#drops + 1] = tostring(group)
          drops[#drops + 1] = oldest[i]
          dropped = dropped + 1
        end
      end
      for _, name in ipairs({ queue, data, priorities }) do call('EXPIRE', name, retention) end
      local first = call('ZRANGE', queue, 0, 0, 'WITHSCORES')
      if first[2] then call('ZADD', queues, first[2], orchestrator) end
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
    if accepted + acknowledged + dropped + buried > 0 then call('EXPIRE', meta, retention) end
  end

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
  left_counts[group] = left
end

if #fresh_acks > 0 then
  for from = 1, #fresh_acks, 1000 do
    redis.pcall('LPUSH', recent, unpack(fresh_acks, from, math.min(from + 999, #fresh_acks)))
  end
  redis.pcall('LTRIM', recent, 0, recent_acks - 1)
  redis.pcall('EXPIRE', recent, retention)
end

return { table.concat(outcomes), left_counts, drops, failures }
