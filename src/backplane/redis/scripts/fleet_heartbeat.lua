-- Notes a heartbeat of a fleet member.
-- KEYS: state, active, last states. ARGV: daemon, now (ISO), now (ms), lifetime (s), status, tasks, task
-- or ''. Returns 1 when the daemon is a member and alive.
local call = redis.call
local record = call('GET', KEYS[1])
if not record or not call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
-- An empty list would come back as an object, so it is not empty meanwhile.
local filled = string.gsub(record, '%[%s*%]', '[904862771530]')
local ok, state = pcall(cjson.decode, filled)
if not ok or type(state) ~= 'table' then return 0 end
-- Large numbers would be rounded, so this one is put in as it came.
state.lastHeartbeat, state.status, state.tasksProcessed = ARGV[2], ARGV[5], 904862771531
state.currentTask = ARGV[7] ~= '' and ARGV[7] or nil
local text = string.gsub(cjson.encode(state), '%[904862771530%]', '[]')
text = string.gsub(text, '"tasksProcessed":904862771531', '"tasksProcessed":' .. ARGV[6])
call('SET', KEYS[1], text, 'EX', ARGV[4])
call('ZADD', KEYS[2], ARGV[3], ARGV[1])
call('HSET', KEYS[3], ARGV[1], text)
return 1
