import { script } from './script.js';

// One table, or the part of one that is in one place, is six keys:
//
//   entries   hash: key → sequence, expiry, owner, site, value (MessagePack)
//   expiries  sorted set of the keys by expiry
//   sites     sorted set of the sites by how many entries they have
//   order     sorted set: site, sequence and key with \0 between them: the newest entry of a site is its last
//   keys      sorted set of the keys, so that those of a group follow each other
//   sequence  counts the entries that ever came
//
// A script is run as a whole before another request is answered. Each begins with the time: what the caller gives, or Redis's own, so
// that the clocks of processes may differ.

/** The names of the keys, in the order in which the scripts take them. */
export const TABLE_KEYS = ['entries', 'expiries', 'sites', 'order', 'keys', 'sequence'] as const;

/** So many entries that have expired one script removes, so that none takes long. */
const PURGED_AT_ONCE = 500;

/** What each script on a table begins with: the time, and functions that keep the six keys together. */
export const TABLE_PRELUDE = `
local ENTRIES, EXPIRIES, SITES, ORDER, NAMES, SEQUENCE = unpack(KEYS)

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = clock()

local function read(key)
  local packed = redis.call('HGET', ENTRIES, key)
  if not packed then return nil end
  local entry = cmsgpack.unpack(packed)
  return { sequence = entry[1], expires = entry[2], owner = entry[3], site = entry[4], value = entry[5] }
end

local function write(key, entry)
  local packed = cmsgpack.pack({ entry.sequence, entry.expires, entry.owner, entry.site, entry.value })
  redis.call('HSET', ENTRIES, key, packed)
  redis.call('ZADD', EXPIRIES, entry.expires, key)
end

local function place(key, entry)
  return entry.site .. '\\0' .. string.format('%016d', entry.sequence) .. '\\0' .. key
end

local function remove(key)
  redis.call('ZREM', EXPIRIES, key)
  local entry = read(key)
  if not entry then return end
  redis.call('HDEL', ENTRIES, key)
  redis.call('ZREM', ORDER, place(key, entry))
  redis.call('ZREM', NAMES, key)
  local left = redis.call('ZINCRBY', SITES, -1, entry.site)
  if tonumber(left) <= 0 then redis.call('ZREM', SITES, entry.site) end
end

local function purge()
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', EXPIRIES, '-inf', now, 'LIMIT', 0, ${PURGED_AT_ONCE})) do
    remove(key)
  end
end

local function newestOf(site)
  local from, to = '[' .. site .. '\\0\\255', '[' .. site .. '\\0'
  local found = redis.call('ZREVRANGEBYLEX', ORDER, from, to, 'LIMIT', 0, 1)[1]
  if not found then return nil end
  return string.sub(found, #site + 19)
end

local function put(key, value, expires, site, owner, most)
  local before = read(key)
  if before and before.site == site then
    write(key, { sequence = before.sequence, expires = expires, owner = owner, site = site, value = value })
    return true
  end
  if before then remove(key) end
  if redis.call('HLEN', ENTRIES) >= most then
    local own = tonumber(redis.call('ZSCORE', SITES, site) or 0)
    local largest = redis.call('ZREVRANGE', SITES, 0, 0, 'WITHSCORES')
    if not largest[1] or own + 1 >= tonumber(largest[2]) then return false end
    local newest = newestOf(largest[1])
    if newest then remove(newest) end
  end
  local entry = { sequence = redis.call('INCR', SEQUENCE), expires = expires, owner = owner, site = site, value = value }
  write(key, entry)
  redis.call('ZADD', ORDER, 0, place(key, entry))
  redis.call('ZADD', NAMES, 0, key)
  redis.call('ZINCRBY', SITES, 1, site)
  return true
end

local function live(keys)
  local found = {}
  for _, key in ipairs(keys) do
    local entry = read(key)
    if entry and entry.expires > now then
      found[#found + 1] = key
      found[#found + 1] = entry.value
    end
  end
  return found
end
`;

/** Time, most, key, value, how long, site, owner → whether it is kept. */
export const PUT = script(`${TABLE_PRELUDE}
purge()
local _, most, key, value, ttl, site, owner = unpack(ARGV)
return put(key, value, now + tonumber(ttl), site, owner, tonumber(most)) and 1 or 0`);

/** Time, key → its key and value, or nothing. */
export const GET = script(`${TABLE_PRELUDE}
return live({ ARGV[2] })`);

/** Time, key, the owner whose entry it must be, if any → nothing. */
export const DELETE = script(`${TABLE_PRELUDE}
local entry = ARGV[3] ~= '' and read(ARGV[2])
if not entry or entry.owner == ARGV[3] then remove(ARGV[2]) end
return 1`);

/** Time, how many → keys and values. */
export const SAMPLE = script(`${TABLE_PRELUDE}
purge()
return live(redis.call('HRANDFIELD', ENTRIES, ARGV[2]))`);

/**
 * Time, group, then as many numbers from 0 up to 1 as entries are wanted → keys and values of that group, at random: the names of a group
 * follow each other, so that each is found by its rank. Redis has no chance of its own in scripts.
 */
export const SAMPLE_GROUP = script(`${TABLE_PRELUDE}
purge()
local group = ARGV[2]
local from, to = '[' .. group .. ' ', '(' .. group .. '!'
local size = redis.call('ZLEXCOUNT', NAMES, from, to)
if size == 0 then return {} end
local first = redis.call('ZRANK', NAMES, redis.call('ZRANGEBYLEX', NAMES, from, to, 'LIMIT', 0, 1)[1])
local keys, moved = {}, {}
for i = 0, math.min(size, #ARGV - 2) - 1 do
  local j = i + math.floor(tonumber(ARGV[i + 3]) * (size - i))
  local rank = moved[j] or j
  moved[j] = moved[i] or i
  keys[#keys + 1] = redis.call('ZRANGE', NAMES, first + rank, first + rank)[1]
end
return live(keys)`);

/** Time, group → keys and values. */
export const LIST = script(`${TABLE_PRELUDE}
purge()
local group = ARGV[2]
local keys = redis.call('ZRANGEBYLEX', NAMES, '[' .. group .. ' ', '(' .. group .. '!')
if redis.call('HEXISTS', ENTRIES, group) == 1 then table.insert(keys, 1, group) end
return live(keys)`);

/**
 * Time, most, owner, whether Redis may have lost entries, for how long the table is kept at all; then of each entry its key, value, how
 * long, site, and whether it was ever written. Entries that are the owner's stay longer; those that were lost, or never written, are
 * written. → of each entry whether it is there and the owner's.
 */
export const RENEW = script(`${TABLE_PRELUDE}
purge()
local _, most, owner, mayBeLost, kept = unpack(ARGV)
local answer = {}
for i = 6, #ARGV, 5 do
  local key, value, ttl, site, isWritten = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4] == '1'
  local entry = read(key)
  local isKept = false
  if entry and entry.owner == owner and isWritten then
    entry.expires = now + ttl
    write(key, entry)
    isKept = true
  elseif not isWritten or (mayBeLost == '1' and not entry) then
    isKept = put(key, value, now + ttl, site, owner, tonumber(most))
  end
  answer[#answer + 1] = isKept and 1 or 0
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, kept) end
return answer`);
