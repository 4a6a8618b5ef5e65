import { script } from '../../store/redis/script.js';

// The boxes of one place are eight keys:
//
//   kept      hash: receipt → sequence, owner, sender, site, size, id, value (MessagePack)
//   ids       hash: sender, owner and id → receipt, so that a message is kept once
//   expiries  sorted set of the receipts by expiry
//   order     sorted set: owner, sequence and receipt: a box in the order of arrival
//   used      hash: messages and bytes of each sender, each site, and each room: a box, or '' for all boxes
//   shares    sorted set: room, bytes and site: the site that has most of a room is its last
//   newest    sorted set: room, site, sequence and receipt: the newest of a site in a room is its last
//   sequence  counts the messages that ever came
//
// Texts are joined by \0, numbers among them are padded, so that their order is that of the numbers.

/** The names of the keys, in the order in which the scripts take them. */
export const BOX_KEYS = ['kept', 'ids', 'expiries', 'order', 'used', 'shares', 'newest', 'sequence'] as const;

/** So many messages that have expired one script removes, so that none takes long. */
export const EXPIRED_AT_ONCE = 200;

const PRELUDE = `
local KEPT, IDS, EXPIRIES, ORDER, USED, SHARES, NEWEST, SEQUENCE = unpack(KEYS)
local now = tonumber(ARGV[1])

local function joined(...)
  return table.concat({ ... }, '\\0')
end
local function padded(number)
  return string.format('%016d', number)
end

local function read(receipt)
  local packed = redis.call('HGET', KEPT, receipt)
  if not packed then return nil end
  local m = cmsgpack.unpack(packed)
  return {
    receipt = receipt, sequence = m[1], owner = m[2], sender = m[3], site = m[4], size = m[5], id = m[6], value = m[7]
  }
end

local function used(of)
  return tonumber(redis.call('HGET', USED, joined(of, 'messages')) or 0), tonumber(redis.call('HGET', USED, joined(of, 'bytes')) or 0)
end

local function count(of, messages, bytes)
  local left = redis.call('HINCRBY', USED, joined(of, 'messages'), messages)
  local leftBytes = redis.call('HINCRBY', USED, joined(of, 'bytes'), bytes)
  if left <= 0 then redis.call('HDEL', USED, joined(of, 'messages'), joined(of, 'bytes')) end
  return leftBytes
end

-- sign: 1 when it comes, -1 when it goes
local function account(m, sign)
  count(joined('sender', m.sender), sign, sign * m.size)
  count(joined('site', m.site), sign, sign * m.size)
  for _, room in ipairs({ m.owner, '' }) do
    count(joined('room', room), sign, sign * m.size)
    local after = count(joined('share', room, m.site), sign, sign * m.size)
    local before = after - sign * m.size
    if before > 0 then redis.call('ZREM', SHARES, joined(room, padded(before), m.site)) end
    if after > 0 then redis.call('ZADD', SHARES, 0, joined(room, padded(after), m.site)) end
    redis.call(sign > 0 and 'ZADD' or 'ZREM', NEWEST, unpack(sign > 0
      and { 0, joined(room, m.site, padded(m.sequence), m.receipt) }
      or { joined(room, m.site, padded(m.sequence), m.receipt) }))
  end
end

local function add(m, expires)
  redis.call('HSET', KEPT, m.receipt, cmsgpack.pack({ m.sequence, m.owner, m.sender, m.site, m.size, m.id, m.value }))
  redis.call('HSET', IDS, joined(m.sender, m.owner, m.id), m.receipt)
  redis.call('ZADD', EXPIRIES, expires, m.receipt)
  redis.call('ZADD', ORDER, 0, joined(m.owner, padded(m.sequence), m.receipt))
  account(m, 1)
end

local function remove(m)
  m.expires = redis.call('ZSCORE', EXPIRIES, m.receipt)
  redis.call('HDEL', KEPT, m.receipt)
  redis.call('HDEL', IDS, joined(m.sender, m.owner, m.id))
  redis.call('ZREM', EXPIRIES, m.receipt)
  redis.call('ZREM', ORDER, joined(m.owner, padded(m.sequence), m.receipt))
  account(m, -1)
end

local function last(set, prefix)
  return redis.call('ZREVRANGEBYLEX', set, '[' .. prefix .. '\\0\\255', '[' .. prefix .. '\\0', 'LIMIT', 0, 1)[1]
end

local function purge()
  local expired = redis.call('ZRANGEBYSCORE', EXPIRIES, '-inf', now, 'LIMIT', 0, ${EXPIRED_AT_ONCE})
  for _, receipt in ipairs(expired) do
    local m = read(receipt)
    if m then remove(m) else redis.call('ZREM', EXPIRIES, receipt) end
  end
  return #expired
end
`;

/**
 * Time, owner, sender, site, size, id, receipt, value, expiry, then the most messages and bytes of a sender, a site, a box and all →
 * `kept`, or why not.
 */
export const PUT = script(`${PRELUDE}
purge()
local _, owner, sender, site, size, id, receipt, value, expires = unpack(ARGV)
size = tonumber(size)
if redis.call('HEXISTS', IDS, joined(sender, owner, id)) == 1 then return 'kept' end

local function hasRoom(of, most, mostBytes)
  local messages, bytes = used(of)
  return messages < tonumber(most) and bytes + size <= tonumber(mostBytes)
end
if not hasRoom(joined('sender', sender), ARGV[10], ARGV[11]) then return 'sender-full' end
if not hasRoom(joined('site', site), ARGV[12], ARGV[13]) then return 'host-full' end

local gone = {}
for _, room in ipairs({ { owner, ARGV[14], ARGV[15], 'recipient-full' }, { '', ARGV[16], ARGV[17], 'server-full' } }) do
  while not hasRoom(joined('room', room[1]), room[2], room[3]) do
    local most = last(SHARES, room[1])
    local _, own = used(joined('share', room[1], site))
    local mostBytes = most and tonumber(string.sub(most, #room[1] + 2, #room[1] + 17)) or 0
    if own + size >= mostBytes then
      for i = #gone, 1, -1 do add(gone[i], gone[i].expires) end
      return room[4]
    end
    local newest = last(NEWEST, joined(room[1], string.sub(most, #room[1] + 19)))
    local m = read(string.match(newest, '[^%z]+$'))
    remove(m)
    gone[#gone + 1] = m
  end
end
local sequence = redis.call('INCR', SEQUENCE)
add({
  receipt = receipt, sequence = sequence, owner = owner, sender = sender, site = site, size = size, id = id, value = value
}, expires)
return 'kept'`);

/** Time, owner, how many messages and bytes at most, then receipts that are left out → receipts, each with its value. */
export const LIST = script(`${PRELUDE}
local _, owner, most, mostBytes = unpack(ARGV)
local without = {}
for i = 5, #ARGV do without[ARGV[i]] = true end
local found, bytes = {}, 0
for _, place in ipairs(redis.call('ZRANGEBYLEX', ORDER, '[' .. owner .. '\\0', '[' .. owner .. '\\0\\255')) do
  local receipt = string.match(place, '[^%z]+$')
  local expires = tonumber(redis.call('ZSCORE', EXPIRIES, receipt) or 0)
  if not without[receipt] and expires > now then
    local m = read(receipt)
    bytes = bytes + m.size
    if #found == tonumber(most) or (bytes > tonumber(mostBytes) and #found > 0) then break end
    found[#found + 1] = { receipt, m.value }
  end
end
return found`);

/** Time, owner, receipts → how many there were. */
export const ACKNOWLEDGE = script(`${PRELUDE}
local count = 0
for i = 3, #ARGV do
  local m = read(ARGV[i])
  if m and m.owner == ARGV[2] then
    remove(m)
    count = count + 1
  end
end
return count`);

/** Time → how many have expired and are gone; there may be more. */
export const SWEEP = script(`${PRELUDE}
return purge()`);
