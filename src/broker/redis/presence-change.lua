-- keys: users
-- args: channel, ttlMs, change, message
-- One step of one node: changes who is there and tells the channel, in one order for all. What changes nothing is not told.
local time = redis.call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local steps = cjson.decode(change)
local changed = 0
for _, field in ipairs(steps.removed) do
  changed = changed + redis.call('HDEL', users, field)
end
for _, entry in ipairs(steps.set) do
  if redis.call('HGET', users, entry[1]) ~= entry[2] then
    redis.call('HSET', users, entry[1], entry[2])
    changed = changed + 1
  end
end
for _, entry in ipairs(steps.held) do
  redis.call('HSET', users, entry[1], string.format('%.0f', nowMs + entry[3]) .. '\n' .. entry[2])
  changed = changed + 1
end
for _, field in ipairs(steps.expired) do
  local value = redis.call('HGET', users, field)
  local untilMs = value and tonumber(string.match(value, '^%d+') or '0')
  if untilMs and untilMs <= nowMs then redis.call('HDEL', users, field) end
end
if changed > 0 then
  redis.call('HSETNX', users, 'epoch', string.format('%.0f', time[1] * 1000000 + time[2]))
  local epoch = redis.call('HGET', users, 'epoch')
  local version = redis.call('HINCRBY', users, 'version', 1)
  local head = string.format('{"epoch":%s,"version":%d,', cjson.encode(epoch), version)
  redis.call('PUBLISH', channel, head .. string.sub(message, 2))
end
redis.call('PEXPIRE', users, ttlMs)
return changed
