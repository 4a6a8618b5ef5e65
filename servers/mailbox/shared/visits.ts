import { PRESENT_MS, REMEMBER_MS } from '../owners.js';
import { AHEAD_MS } from '../../../lib/signalling/carriers/mailbox-messages.js';
import type { RedisConnection } from '../../store/redis/connection.js';
import { notAsked } from '../../store/redis/failure.js';
import { script, type Script } from '../../store/redis/script.js';
import { slotOf } from '../../store/redis/slots.js';
import { TABLE_KEYS, TABLE_PRELUDE } from '../../store/redis/table-scripts.js';
import type { VisitRefusal, Visits } from '../message-boxes.js';
import { channelOf } from './boxes.js';

/** What {@link SharedVisits} need. */
interface SharedVisitsConfig {
  readonly connection: RedisConnection;
  /** Receivers that are remembered at most, of all processes together. */
  readonly most: number;
  /** In how many places they are. */
  readonly places: number;
  /** The time of day, in milliseconds since the epoch. */
  readonly now: () => number;
}

/** Beside the keys of a table: since when visits are remembered there. */
const KEYS = [...TABLE_KEYS, 'since'];

/** Time, most, owner, site, time of the take → why not, and the time of the last take. */
const VISIT = script(`${TABLE_PRELUDE}
purge()
local _, most, owner, site, at = unpack(ARGV)
at = tonumber(at)
redis.call('SET', KEYS[7], now, 'NX')
local before = read(owner)
local last = before and tonumber(string.match(before.value, '^%d+')) or 0
if at <= last then return { 'replayed', last } end
if at < tonumber(redis.call('GET', KEYS[7])) or at > math.max(now, last) + ${AHEAD_MS} then return { 'untimely', last } end
local isIn = put(owner, ARGV[5], now + ${REMEMBER_MS}, before and before.site or site, '', tonumber(most))
return { isIn and 'in' or 'host-full', last }`);

/** Time, owner, whether it has gone → nothing. */
const STAY = script(`${TABLE_PRELUDE}
local entry = read(ARGV[2])
if not entry then return 0 end
local at = string.match(entry.value, '^%d+')
if ARGV[3] == '1' then entry.value = at .. ' left' else entry.expires = now + ${REMEMBER_MS} end
write(ARGV[2], entry)
return 1`);

/** Time, owner → the time of its last take, and whether it came just now. */
const LOOK = script(`${TABLE_PRELUDE}
local entry = read(ARGV[2])
if not entry then return { 0, 0 } end
local at, left = string.match(entry.value, '^(%d+)(.*)$')
return { tonumber(at), (left == '' and entry.expires - ${REMEMBER_MS - PRESENT_MS} > now) and 1 or 0 }`);

/**
 * When receivers last came to any of the processes that share a Redis. What Redis has forgotten, as one that keeps nothing on disk does
 * when it is started again, cannot be had again either: takes from before are refused.
 */
export class SharedVisits implements Visits {
  constructor(readonly config: SharedVisitsConfig) {}

  async visit(owner: string, site: string, at: number): Promise<VisitRefusal | undefined> {
    const most = Math.ceil(this.config.most / this.config.places);
    const [refused, last] = pairOf(await this.#run(owner, VISIT, [most, owner, site, at]));
    if (refused === 'in') return undefined;
    if (refused === 'replayed' && typeof last === 'number') return { refused, now: last + 1 };
    if (refused === 'untimely' || refused === 'host-full') return { refused };
    throw notAsked('a visit');
  }

  async isLatest(owner: string, at: number): Promise<boolean> {
    const [last] = pairOf(await this.#run(owner, LOOK, [owner]));
    return last === at;
  }

  stay(owner: string): void {
    this.#run(owner, STAY, [owner, 0]).catch(() => undefined);
  }

  left(owner: string): void {
    this.#run(owner, STAY, [owner, 1]).catch(() => undefined);
  }

  async isPresent(owner: string): Promise<boolean> {
    const { connection } = this.config;
    const look = this.#run(owner, LOOK, [owner]);
    const [waiting, answer] = await Promise.all([connection.listenersOn(channelOf(owner)), look]);
    return waiting > 0 || pairOf(answer)[1] === 1;
  }

  #run(owner: string, what: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { connection, now, places } = this.config;
    return connection.run(`visits:${slotOf(owner) % places}`, what, KEYS, [now(), ...args]);
  }
}

function pairOf(answer: unknown): readonly [unknown, unknown] {
  if (!Array.isArray(answer) || answer.length !== 2) throw notAsked('a visit');
  const parts: readonly unknown[] = answer;
  return [parts[0], parts[1]];
}
