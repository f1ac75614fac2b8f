-- Reads the books of several orchestrators, each together with the length of its queue.
-- KEYS: per orchestrator its meta and its queue.
-- Returns six numbers per orchestrator: accepted, acknowledged, expired, dropped, dead, queued. What lies
-- under a name that is not the hub's counts nothing.
local answer = {}
for key = 1, #KEYS, 2 do
  local books = redis.pcall('HMGET', KEYS[key], 'accepted', 'acknowledged', 'expired', 'dropped', 'dead')
  for field = 1, 5 do
    answer[#answer + 1] = math.max(0, tonumber(not books.err and books[field] or 0) or 0)
  end
  local queued = redis.pcall('ZCARD', KEYS[key + 1])
  answer[#answer + 1] = type(queued) == 'number' and queued or 0
end
return answer
