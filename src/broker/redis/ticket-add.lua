-- keys: ticket, ofUser, all
-- args: digest, holder, life, perUser, most

-- Instants are those of Redis: the nodes' clocks may differ by more than a ticket lives.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end

local open = {'(' .. whole(now_ms), '+inf'}
if redis.call('ZCOUNT', ofUser, open[1], open[2]) >= tonumber(perUser) then
  local first = redis.call('ZRANGEBYSCORE', ofUser, open[1], open[2], 'WITHSCORES', 'LIMIT', 0, 1)
  return {'RATE_LIMITED', whole(tonumber(first[2]) - now_ms)}
end
if redis.call('ZCOUNT', all, open[1], open[2]) >= tonumber(most) then return {'OVERLOADED', '0'} end

-- What needs memory comes first: a full Redis refuses it, but nothing any more once a script has written.
redis.call('SET', ticket, holder, 'PX', life)
for _, list in ipairs({ofUser, all}) do
  redis.call('ZADD', list, whole(now_ms + tonumber(life)), digest)
  redis.call('ZREMRANGEBYSCORE', list, '-inf', whole(now_ms))
  local last = redis.call('ZRANGE', list, -1, -1, 'WITHSCORES')
  redis.call('PEXPIREAT', list, whole(tonumber(last[2])))
end
return {'OK', '0'}
