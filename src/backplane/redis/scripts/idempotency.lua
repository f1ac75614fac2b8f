-- One step of a request that has a key. KEYS: record, a hash of `content`, `claim`, `answer`.
-- ARGV: step, content, claim; `begin`: lifetime (s); `finish`: lifetime (s), answer.
-- Returns for `begin` whose the key is: 'claimed', 'other', 'way', or 'answer' and the answer.
local call = redis.call
local step = ARGV[1]
local known = call('HMGET', KEYS[1], 'content', 'claim', 'answer')
if step == 'begin' then
  if not known[1] then
    call('HSET', KEYS[1], 'content', ARGV[2], 'claim', ARGV[3])
    call('EXPIRE', KEYS[1], ARGV[4])
    return {'claimed'}
  end
  if known[1] ~= ARGV[2] then return {'other'} end
  if known[3] then return {'answer', known[3]} end
  return {'way'}
end
if known[2] ~= ARGV[3] then return {} end
if step == 'finish' then
  call('HSET', KEYS[1], 'answer', ARGV[5])
  call('EXPIRE', KEYS[1], ARGV[4])
else
  call('DEL', KEYS[1])
end
return {}
