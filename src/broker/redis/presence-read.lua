-- keys: users
-- args: ttlMs, most
-- Who is there on all nodes, and the time by which held users are held. Of more than the most nothing is said: that would hold up everybody else.
local time = redis.call('TIME')
local nowMs = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
-- A Redis that takes no writes just now can be read all the same.
redis.pcall('PEXPIRE', users, ttlMs)
if redis.call('HLEN', users) > tonumber(most) then return redis.error_reply('TOOMANY') end
return { nowMs, redis.call('HGETALL', users) }
