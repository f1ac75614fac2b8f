-- Deletes a session and revokes its tokens.
-- KEYS: session, its revocation. ARGV: owner or '', how long its tokens may live (ms).
-- Returns the record, 0 when there is none, 1 when it is somebody else's.
local record = redis.call('GET', KEYS[1])
if not record then return 0 end
if ARGV[1] ~= '' then
  local ok, session = pcall(cjson.decode, record)
  if not ok or type(session) ~= 'table' then return 1 end
  if (session.orchestratorId or session.vpId) ~= ARGV[1] then return 1 end
end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return record
