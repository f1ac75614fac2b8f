-- Writes the presence of one orchestrator and announces it when it changed.
-- KEYS: presence hash, presence heartbeat, presence record, routing session, connections.
-- ARGV: orchestrator, status, now (ISO), presence record, daemon info, routing session, announcement,
-- organization announcement, channels: of the orchestrator, of everybody, of the organization or ''.
-- Returns 1 when it changed.
local hash = KEYS[1]
local call = redis.call
local online = ARGV[2] == 'ONLINE'
if not online and call('SCARD', KEYS[5]) > 0 then return 0 end
-- An old revision wrote a string under this name.
local before = redis.pcall('HGET', hash, 'status')
if type(before) == 'table' then
  call('DEL', hash)
  before = false
end
call('HSET', hash, 'vpId', ARGV[1], 'status', ARGV[2], 'lastHeartbeat', ARGV[3], 'daemonInfo', ARGV[5])
call('SET', KEYS[3], ARGV[4], 'EX', 300)
if online then
  call('SET', KEYS[2], '1', 'EX', 60)
  call('SET', KEYS[4], ARGV[6], 'EX', 3600)
else
  call('DEL', KEYS[2], KEYS[4])
end
if before == ARGV[2] or (not before and not online) then return 0 end
call('PUBLISH', ARGV[9], ARGV[7])
call('PUBLISH', ARGV[10], ARGV[7])
if ARGV[11] ~= '' then call('PUBLISH', ARGV[11], ARGV[8]) end
return 1
