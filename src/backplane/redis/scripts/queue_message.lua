-- Puts a message into the list that routers share, and drops the oldest beyond its bound.
-- KEYS: list. ARGV: message, how many it holds, how long it lives (s).
-- Returns the messages that were dropped, oldest first.
local list = KEYS[1]
local kind = redis.call('TYPE', list).ok
if kind ~= 'none' and kind ~= 'list' then return redis.error_reply('WRONGTYPE the list of messages is a ' .. kind) end
local excess = redis.call('RPUSH', list, ARGV[1]) - tonumber(ARGV[2])
local dropped = excess > 0 and redis.call('LPOP', list, excess) or {}
redis.call('EXPIRE', list, ARGV[3])
return dropped
