-- Notes a heartbeat in a session record of its owner without moving the session's end.
-- KEYS: session. ARGV: now (ISO), activity status, session status, owner. Returns 1 when noted.
local record = redis.call('GET', KEYS[1])
if not record then return 0 end
-- An empty list would come back as an object, so it is not empty meanwhile.
local filled = string.gsub(record, '%[%s*%]', '[904862771530]')
local ok, session = pcall(cjson.decode, filled)
if not ok or type(session) ~= 'table' then return 0 end
if (session.orchestratorId or session.vpId) ~= ARGV[4] then return 0 end
session.lastHeartbeat, session.lastActivityAt, session.lastActiveAt = ARGV[1], ARGV[1], ARGV[1]
session.lastStatus = ARGV[2]
if session.status == 'active' or session.status == 'idle' then session.status = ARGV[3] end
local text = string.gsub(cjson.encode(session), '%[904862771530%]', '[]')
redis.call('SET', KEYS[1], text, 'KEEPTTL')
return 1
