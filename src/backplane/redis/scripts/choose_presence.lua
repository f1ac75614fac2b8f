-- Writes an explicit presence and announces it.
-- KEYS: presence hash, presence heartbeat, presence record, choice.
-- ARGV: orchestrator, status in capitals, now (ISO), presence record, choice or '' for none, lifetime
-- (s), announcement, organization announcement, channels: of the orchestrator, of everybody, of the
-- organization or ''.
local hash = KEYS[1]
local call = redis.call
-- An old revision wrote a string under this name.
local before = redis.pcall('HGET', hash, 'status')
if type(before) == 'table' then
  call('DEL', hash)
  before = false
end
call('HSET', hash, 'vpId', ARGV[1], 'status', ARGV[2], 'lastHeartbeat', ARGV[3])
call('SET', KEYS[3], ARGV[4], 'EX', ARGV[6])
if ARGV[5] ~= '' then call('SET', KEYS[4], ARGV[5], 'EX', ARGV[6]) else call('DEL', KEYS[4]) end
if ARGV[2] == 'OFFLINE' then call('DEL', KEYS[2]) else call('SET', KEYS[2], '1', 'EX', 60) end
if ARGV[11] ~= '' then call('PUBLISH', ARGV[11], ARGV[8]) end
if before == ARGV[2] then return end
local announcement = ARGV[7]
if before then
  announcement = string.sub(announcement, 1, -2) .. ',"previousStatus":' .. cjson.encode(before) .. '}'
end
call('PUBLISH', ARGV[9], announcement)
call('PUBLISH', ARGV[10], announcement)
