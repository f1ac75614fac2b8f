-- Notes a heartbeat in a session record without moving the session's end.
-- KEYS: session. ARGV: now (ISO), activity status, session status.
local record = redis.call('GET', KEYS[1])
if not record then return 0 end
local ok, session = pcall(cjson.decode, record)
if not ok or type(session) ~= 'table' then return 0 end
session.lastHeartbeat, session.lastActivityAt, session.lastActiveAt = ARGV[1], ARGV[1], ARGV[1]
session.lastStatus = ARGV[2]
if session.status == 'active' or session.status == 'idle' then session.status = ARGV[3] end
-- An empty list would come back as an object.
local text = cjson.encode(session)
text = string.gsub(text, '"scopes":{}', '"scopes":[]')
redis.call('SET', KEYS[1], text, 'KEEPTTL')
return 1
