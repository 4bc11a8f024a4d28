-- keys: nodes
-- args: self, leaseMs, limit, channel, announcement
-- Renews the lease of a node, drops those that have ended, and reads the others: all by one clock, that of Redis.
local time = redis.call("TIME")
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", nodes, "-inf", nowMs)
local isNew = redis.call("ZADD", nodes, nowMs + leaseMs, self)
if redis.call("PTTL", nodes) < tonumber(leaseMs) then
  redis.call("PEXPIRE", nodes, leaseMs)
end
if isNew == 1 then
  redis.call("PUBLISH", channel, announcement)
end
return { isNew, nowMs, redis.call("ZREVRANGE", nodes, 0, limit - 1, "WITHSCORES") }
