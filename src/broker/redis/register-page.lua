-- keys: meta, data, order
-- args: after, limit

-- What was written to a register after the write `after`, oldest first: {epoch, last write of all, {write, field, "version text", …}}.
local about = redis.call('HMGET', meta, 'epoch', 'seq')
local fields = redis.call('ZRANGEBYSCORE', order, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
local entries = {}
for index = 1, #fields, 2 do
  entries[#entries + 1] = fields[index + 1]
  entries[#entries + 1] = fields[index]
  entries[#entries + 1] = redis.call('HGET', data, fields[index]) or ''
end
return {about[1] or '', about[2] or '0', entries}
