-- Counts a connection: revocation, take-over by daemon instance, quota.
-- KEYS: connections, connection, instances, session, orchestrator's sessions, instance's sessions,
-- revocation, legacy revocations, subscriptions, queue, daemon's legacy list, routing queue, claims (3),
-- the session's revocation, the orchestrator's, meta, what the daemon was told of.
-- ARGV: connection, node, daemon, limit, jti, session id, session record, session lifetime (s),
-- connection lifetime (s), retention (s), connection record, when the token was issued (ms) or '', index
-- lifetime (s), how long what a daemon was told of is remembered (s).
-- Returns {'revoked'}, {'full', member…}, or {'attached', replaced, subscriptions, depth, legacy, dropped,
-- expired}.
local connections, connection, instances, session = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call
if call('EXISTS', KEYS[7], KEYS[16]) > 0 then return { 'revoked' } end
if ARGV[5] ~= '' and call('SISMEMBER', KEYS[8], ARGV[5]) == 1 then return { 'revoked' } end
local records = call('MGET', session, KEYS[9], KEYS[17], KEYS[19])
local record, valid_from = records[1], records[3]
-- A token that does not say when it was issued cannot be told from an old one.
if valid_from and (tonumber(ARGV[12]) or -1) < (tonumber(valid_from) or math.huge) then return { 'revoked' } end
if record then
  local ok, known = pcall(cjson.decode, record)
  if ok and type(known) == 'table' and (known.status == 'revoked' or known.status == 'terminated') then
    return { 'revoked' }
  end
end

local replaced = call('HGET', instances, ARGV[3]) or ''
local others = call('SCARD', connections)
if replaced ~= '' then
  local older = string.match(replaced, '^[^ ]+')
  others = others - call('SISMEMBER', connections, older)
  if older == ARGV[1] then replaced = '' end
end
if others >= tonumber(ARGV[4]) then
  local members = call('SMEMBERS', connections)
  table.insert(members, 1, 'full')
  return members
end
if replaced ~= '' then call('SREM', connections, string.match(replaced, '^[^ ]+')) end
call('SADD', connections, ARGV[1])
call('HSET', instances, ARGV[3], ARGV[1] .. ' ' .. ARGV[2])
-- Heartbeats go on refreshing these.
if others == 0 then
  call('EXPIRE', connections, ARGV[10])
  call('EXPIRE', instances, ARGV[10])
end
call('SET', connection, ARGV[11], 'EX', ARGV[9])
if not record then
  call('SET', session, ARGV[7], 'EX', ARGV[8])
  call('SADD', KEYS[5], ARGV[6])
  call('EXPIRE', KEYS[5], ARGV[13])
end
if call('SADD', KEYS[6], ARGV[6]) == 1 then call('EXPIRE', KEYS[6], ARGV[13]) end

local depth = redis.pcall('ZCARD', KEYS[10])
local legacy = call('EXISTS', KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15])
if type(depth) == 'table' then depth, legacy = 0, 1 end

-- What was lost since the daemon was last told, or, if it never was, since any other one was. The counters
-- begin anew when the orchestrator is not heard of for long: then what was told before counts for nothing.
local books = redis.pcall('HMGET', KEYS[18], 'dropped', 'expired', 'epoch', 'told')
local dropped, expired = 0, 0
if not books.err then
  local losses = (books[1] or '0') .. ' ' .. (books[2] or '0')
  local told = (books[3] or '0') .. ' ' .. losses
  if records[4] ~= told then
    local epoch, told_dropped, told_expired = string.match(records[4] or '', '^(%d+) (%d+) (%d+)$')
    if not epoch then
      told_dropped, told_expired = string.match(books[4] or '', '^(%d+) (%d+)$')
    elseif epoch ~= books[3] then
      told_dropped, told_expired = 0, 0
    end
    dropped = math.max(tonumber(books[1] or 0) - tonumber(told_dropped or 0), 0)
    expired = math.max(tonumber(books[2] or 0) - tonumber(told_expired or 0), 0)
    call('SET', KEYS[19], told, 'EX', ARGV[14])
  end
  if losses ~= '0 0' and losses ~= books[4] then call('HSET', KEYS[18], 'told', losses) end
end
return { 'attached', replaced, records[2] or '', depth, legacy, dropped, expired }
