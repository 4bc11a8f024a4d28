-- keys:
-- args: run, newLineage
-- constants: size, bytes, historyMs, topicMs, usedMs
-- Takes messages, each with three more keys (meta, stream, used) and four more arguments (channel, kind and whether it is kept, body, hash): gives it
-- the next offset, keeps it, tells every node that follows the topic. All of it or nothing, and what fails for one is no matter of the others.
-- Answers for each "offset epoch", REUSED for an id that was used for another message, or FAILED; an error when all of them failed.
-- What costs is the number of commands: the end of a topic is put off once a second at most, and what is too much is dropped by the dozen.

local time = redis.call('TIME')
local nowMs = time[1] .. string.sub('00000' .. time[2], -6, -4)
-- Entries that one call looks at to cut them off: the histories of all its messages may have become too long at once, and Redis does nothing else
-- meanwhile. The next message of a topic goes on; what is too much is read by nobody until then.
local cuts = 1024

local function publish(meta, stream, used, channel, kind, keeps, body, hash)
  local renewal = keeps and 'renewed' or 'touched'
  local known = redis.call('HMGET', meta, 'lineage', 'generation', 'run', 'offset', 'bytes', renewal)
  local offset, held = tonumber(known[4] or 0), tonumber(known[5] or 0)
  local lineage, epoch = known[1] or newLineage

  if not known[1] then
    -- What is left of an earlier stream belongs to another epoch.
    -- Behind what needs memory: a full Redis refuses that, but nothing any more once a script has written.
    redis.call('HSET', meta, 'lineage', lineage, 'generation', 0, 'run', run)
    redis.call('DEL', stream)
    epoch = lineage
  else
    local generation = tonumber(known[2])
    if known[3] ~= run then
      -- Another process of Redis: what the earlier one had acknowledged last may be gone, and no offset may mean two messages.
      generation = generation + 1
      redis.call('HSET', meta, 'generation', generation, 'run', run)
    end
    epoch = generation == 0 and lineage or (lineage .. '.' .. generation)
  end

  if hash ~= '' then
    local first = redis.call('GET', used)
    if first then
      local firstOffset, firstEpoch, firstHash = string.match(first, '^(%d+) (%S+) (%S+)$')
      if firstEpoch and string.match(firstEpoch, '^[^.]+') == lineage and tonumber(firstOffset) <= offset then
        if firstHash ~= hash then return 'REUSED' end
        return firstOffset .. ' ' .. firstEpoch
      end
    end
  end

  offset = offset + 1
  local id = string.format('%.0f', offset)
  -- The lives that are given are a second longer than they must be. The clock may have been put back.
  local renews = math.abs(nowMs - (known[6] or 0)) >= 1000

  if keeps then
    redis.call('XADD', stream, id .. '-0', 'k', kind, 'b', body, 't', nowMs)
    local length = redis.call('XLEN', stream)
    held = length == 1 and #body or held + #body
    if renews or length == 1 then redis.call('PEXPIRE', stream, historyMs) end
    -- An eighth more than is read: trimming one by one costs more than the rest of this script.
    local slack = 1.125
    if cuts > 0 and length > 1 and (length > size * slack or held > bytes * slack) then
      local last = nil
      while cuts > 0 and length > 1 and (length > size or held > bytes) do
        local count = math.min(length - 1, math.max(length - size, 16), cuts)
        cuts = cuts - count
        for _, entry in ipairs(redis.call('XRANGE', stream, last and '(' .. last or '-', '+', 'COUNT', count)) do
          if length <= size and held <= bytes then break end
          held = held - #(entry[2][4] or '')
          length = length - 1
          last = entry[1]
        end
      end
      redis.call('XTRIM', stream, 'MINID', '=', string.format('%.0f', tonumber(string.match(last, '^%d+')) + 1) .. '-0')
    end
  end

  if renews then
    redis.call('HSET', meta, 'offset', id, 'bytes', held, renewal, nowMs)
    redis.call('PEXPIRE', meta, topicMs)
  else
    redis.call('HSET', meta, 'offset', id, 'bytes', held)
  end
  if hash ~= '' then redis.call('SET', used, id .. ' ' .. epoch .. ' ' .. hash, 'PX', usedMs) end
  redis.call('PUBLISH', channel, '1' .. kind .. id .. ' ' .. epoch .. '\n' .. body)
  return id .. ' ' .. epoch
end

local answers, failures, failure = {}, 0, nil
for index = 1, #KEYS / 3 do
  local key, arg = 3 * index, 4 * index - 1
  local kind, keeps = string.sub(ARGV[arg + 1], 1, 1), string.sub(ARGV[arg + 1], 2) == '1'
  local isTaken, answer = pcall(publish, KEYS[key - 2], KEYS[key - 1], KEYS[key], ARGV[arg], kind, keeps, ARGV[arg + 2], ARGV[arg + 3])
  answers[index] = isTaken and answer or 'FAILED'
  if not isTaken then
    failures, failure = failures + 1, answer
  end
end
-- Redis gives the text of an error or, before 7.0.3, the table around it.
if failures == #answers then return redis.error_reply(type(failure) == 'table' and failure.err or tostring(failure)) end
return answers
