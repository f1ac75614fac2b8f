-- Stops counting a connection.
-- KEYS: connections, connection, instances. ARGV: connection, daemon.
redis.call('SREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
local current = redis.call('HGET', KEYS[3], ARGV[2])
if current and string.match(current, '^[^ ]+') == ARGV[1] then redis.call('HDEL', KEYS[3], ARGV[2]) end
