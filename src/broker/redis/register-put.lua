-- keys: meta, data, order, live, gone
-- args: field, text, state, ends, expected, version, fresh, most, channel

-- One entry of a register (register.ts). `data`: field to "version text"; `order`: field by its last write; `live` and `gone`: field by
-- its end, so that what was taken back is known for as long as what it took back could still be somewhere.
-- The clock is that of Redis, in microseconds, and a write is never older than the one before: nodes read on from the last they know.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end

local function forget(from, fields)
  if #fields == 0 then return end
  redis.call('ZREM', from, unpack(fields))
  redis.call('ZREM', order, unpack(fields))
  redis.call('HDEL', data, unpack(fields))
end

local known = redis.call('HGET', data, field)
local at = redis.call('HGET', meta, 'seq') or '0'
if expected == '+' then
  if not known then return {'OK', ''} end
elseif expected ~= '*' and (known or '') ~= expected then
  return {'CHANGED', known or ''}
end
if tonumber(ends) <= now_ms then return {'OK', ''} end

local into, out = live, gone
if state == 'gone' then into, out = gone, live end
local has = redis.call('ZSCORE', into, field)
local is_new = not has or tonumber(has) <= now_ms
if is_new and redis.call('ZCOUNT', into, '(' .. whole(now_ms), '+inf') >= tonumber(most) then
  if into == live then return {'FULL', ''} end
  forget(gone, redis.call('ZRANGE', gone, 0, 0))
end

-- What needs memory comes first: a full Redis refuses it, but nothing any more once a script has written.
at = whole(math.max(tonumber(at) + 1, time[1] * 1000000 + time[2]))
redis.call('HSETNX', meta, 'epoch', fresh)
redis.call('HSET', meta, 'seq', at)
redis.call('HSET', data, field, (version == '' and at or version) .. ' ' .. text)
redis.call('ZADD', order, at, field)
redis.call('ZADD', into, ends, field)
redis.call('ZREM', out, field)

for _, ended in ipairs({live, gone}) do
  forget(ended, redis.call('ZRANGEBYSCORE', ended, '-inf', whole(now_ms), 'LIMIT', 0, 200))
end

local last = now_ms
for _, ended in ipairs({live, gone}) do
  local top = redis.call('ZRANGE', ended, -1, -1, 'WITHSCORES')
  if top[2] then last = math.max(last, tonumber(top[2])) end
end
-- A minute longer than its last entry: a register does not begin anew while somebody still looks at that one.
for _, key in ipairs(KEYS) do redis.call('PEXPIREAT', key, whole(last + 60000)) end
redis.call('PUBLISH', channel, at)
return {'OK', ''}
