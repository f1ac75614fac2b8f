-- Registers a daemon, unless another one is registered and alive.
-- KEYS: registration, heartbeat. ARGV: instance, record, lifetime (s).
-- Returns the instance that is in the way, or nothing.
local known = redis.call('GET', KEYS[1])
if known then
  local ok, record = pcall(cjson.decode, known)
  local instance = ok and type(record) == 'table' and record.instanceId
  if type(instance) == 'string' and instance ~= ARGV[1] and redis.call('EXISTS', KEYS[2]) == 1 then
    return instance
  end
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return false
