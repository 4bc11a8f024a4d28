-- keys: nodes
-- args: limit, channel, question
-- Puts a question on the bus, and reads who lives at that moment and so has to answer it.
local time = redis.call("TIME")
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("PUBLISH", channel, question)
return { 0, redis.call("ZREVRANGEBYSCORE", nodes, "+inf", "(" .. string.format("%.0f", nowMs), "WITHSCORES", "LIMIT", 0, limit) }
