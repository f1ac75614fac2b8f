-- Notes a heartbeat in a session record of its owner without moving the session's end.
-- KEYS: session. ARGV: now (ISO), activity status, session status, owner. Returns 1 when noted.
-- The record is written on rather than written anew, which would round large numbers in it: of a member
-- that comes twice every reader takes the last. What an earlier heartbeat added is replaced.
local text = '"[^"]*"'
local earlier = ',"lastHeartbeat":' .. text .. ',"lastActivityAt":' .. text .. ',"lastActiveAt":' .. text
  .. ',"lastStatus":' .. text .. ',"status":' .. text .. '$'
local record = redis.call('GET', KEYS[1])
if not record then return 0 end
local ok, session = pcall(cjson.decode, record)
if not ok or type(session) ~= 'table' then return 0 end
if (session.orchestratorId or session.vpId) ~= ARGV[4] then return 0 end
local members = string.match(record, '^(.*)}%s*$')
if not members then return 0 end
local status = session.status
local is_word = type(status) == 'string' and not string.find(status, '%W')
if not is_word or status == 'active' or status == 'idle' then status = ARGV[3] end
members = string.gsub(members, earlier, '')
local noted = ',"lastHeartbeat":"' .. ARGV[1] .. '","lastActivityAt":"' .. ARGV[1]
  .. '","lastActiveAt":"' .. ARGV[1] .. '","lastStatus":"' .. ARGV[2] .. '","status":"' .. status .. '"}'
redis.call('SET', KEYS[1], members .. noted, 'KEEPTTL')
return 1
