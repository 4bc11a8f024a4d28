-- keys: meta, stream
-- args: run, lineage, sinceOffset, sinceEpoch, limit, size, bytes, historyMs, topicMs, touch
-- Where a topic stands, and the first messages behind a position, or the newest without one (an empty sinceEpoch). A limit of 0 asks for the position alone.
-- Answers {offset, epoch, recovered, offset of a message, its kind, its body, …}; nothing but the first three unless it was recovered.

local known = redis.call('HMGET', meta, 'lineage', 'generation', 'run', 'offset', 'bytes')
local offset, epoch = tonumber(known[4] or 0)

if not known[1] then
  redis.call('HSET', meta, 'lineage', lineage, 'generation', 0, 'run', run)
  -- As when a message begins it: what is left of an earlier stream would be in the way of the first one.
  redis.call('DEL', stream)
  epoch = lineage
  touch = '1'
else
  local generation = tonumber(known[2])
  if known[3] ~= run then
    generation = generation + 1
    redis.call('HSET', meta, 'generation', generation, 'run', run)
  end
  epoch = generation == 0 and known[1] or (known[1] .. '.' .. generation)
end
-- A Redis that takes no writes just now can be read all the same.
if touch == '1' then redis.pcall('PEXPIRE', meta, topicMs) end

local answer = {string.format('%.0f', offset), epoch, 1}
limit = tonumber(limit)
if limit == 0 or (sinceEpoch == epoch and tonumber(sinceOffset) == offset) then return answer end
if sinceEpoch ~= '' and (sinceEpoch ~= epoch or tonumber(sinceOffset) > offset) then
  answer[3] = 0
  return answer
end

local now = redis.call('TIME')
local oldest = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - tonumber(historyMs)

local function isKept(entry) return tonumber(entry[2][6] or 0) > oldest end

-- Of more than may be kept the oldest is no more there for anybody, although it is cut off later. The newest is there whatever its size is.
local function isWithinBytes(since)
  local excess = tonumber(known[5] or 0) - tonumber(bytes)
  local from, count = '-', 64
  while excess > 0 and offset - since > 1 do
    local older = redis.call('XRANGE', stream, from, since .. '-0', 'COUNT', count)
    for _, entry in ipairs(older) do excess = excess - #(entry[2][4] or '') end
    if #older < count then break end
    from = '(' .. older[count][1]
  end
  return excess <= 0 or offset - since <= 1
end

local entries = {}
if sinceEpoch ~= '' then
  local since = tonumber(sinceOffset)
  entries = redis.call('XRANGE', stream, '(' .. sinceOffset .. '-0', '+', 'COUNT', limit)
  local isWhole = #entries == math.min(limit, offset - since) and offset - since <= tonumber(size)
  for index, entry in ipairs(entries) do
    isWhole = isWhole and isKept(entry) and tonumber(string.match(entry[1], '^%d+')) == since + index
  end
  if not isWhole or not isWithinBytes(since) then
    answer[3] = 0
    return answer
  end
else
  local room = tonumber(bytes)
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', math.min(limit, tonumber(size)))
  local count = 0
  for index, entry in ipairs(newest) do
    room = room - #(entry[2][4] or '')
    if not isKept(entry) or (room < 0 and index > 1) then break end
    count = index
  end
  for index = count, 1, -1 do entries[#entries + 1] = newest[index] end
end

for index, entry in ipairs(entries) do
  if index > limit then break end
  answer[#answer + 1] = string.match(entry[1], '^%d+')
  answer[#answer + 1] = entry[2][2]
  answer[#answer + 1] = entry[2][4]
end
return answer
