-- Notes the latest attempt at an event for any daemon beside its claim, for whoever gets it next, unless a
-- later one is noted; see grant.lua.
-- KEYS: claims. ARGV: id, attempts, record (JSON).
local claim = redis.call('HGET', KEYS[1], ARGV[1])
local held, noted = string.match(claim or '', '^(%S+ %d+ %d+ %d+ %S+) ?(.*)$')
if not held then return end
local ok, known = pcall(cjson.decode, noted)
if ok and type(known) == 'table' and (tonumber(known.attempts) or 0) > tonumber(ARGV[2]) then return end
redis.call('HSET', KEYS[1], ARGV[1], held .. ' ' .. ARGV[3])
