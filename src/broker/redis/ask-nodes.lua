-- keys: nodes
-- args: limit, channel, question, deadlineMs
-- Puts a question on the bus, and reads who lives at that moment and so has to answer it. A command that lay in a buffer
-- while Redis hung asks nothing: nobody waits for the answers any more.
local time = redis.call("TIME")
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local isInTime = 0
if nowMs <= tonumber(deadlineMs) then
  isInTime = 1
  redis.call("PUBLISH", channel, question)
end
local living = redis.call(
  "ZREVRANGEBYSCORE", nodes, "+inf", "(" .. string.format("%.0f", nowMs), "WITHSCORES", "LIMIT", 0, limit)
return { isInTime, nowMs, living }
