import type { Store, Table } from '../store.js';
import type { RedisConnection } from './connection.js';
import { notAsked } from './failure.js';
import { LEASE_MS, Leases, type Lease } from './leases.js';
import type { Script } from './script.js';
import { slotOf } from './slots.js';
import { DELETE, GET, LIST, PUT, RENEW, SAMPLE, SAMPLE_GROUP, TABLE_KEYS } from './table-scripts.js';

/** A table that no server writes to any more is forgotten after this time, in milliseconds. */
const TABLE_MS = 24 * 3_600_000;

/** A table in several places: two are asked for a sample first, and the others when they have too few. */
const SAMPLED_PLACES = 2;

/** What {@link RedisTables} need. */
interface RedisTablesConfig {
  readonly connection: RedisConnection;
  /** By which the other processes know this one. */
  readonly ownId: string;
  /** Entries in each table at most. */
  readonly maxEntries: number;
  /** How many places each table is in. */
  readonly places: number;
  /** The time, in milliseconds. Default: Redis's own. */
  readonly now: (() => number) | undefined;
  /** A number from 0 up to 1. */
  readonly random: () => number;
}

type Entries = readonly (readonly [key: string, value: string])[];

/**
 * The tables of a rendezvous server, each in one or more places. A group is in one place, and sites share the room of each place: so
 * one script sees all that it needs.
 */
export class RedisTables implements Pick<Store, 'put' | 'get' | 'delete' | 'sample' | 'list'> {
  readonly #leases: Leases;

  constructor(readonly config: RedisTablesConfig) {
    this.#leases = new Leases({
      connection: config.connection,
      placeOf: (table, key) => this.#placeOf(table, key),
      renew: (place, leases, mayBeLost) => this.#renew(place, leases, mayBeLost),
      delete: (table, key, owner) => this.#run(this.#placeOf(table, key), DELETE, [key, owner]),
    });
  }

  close(): void {
    this.#leases.close();
  }

  async put(table: Table, key: string, value: string, ttlMs: number, site = ''): Promise<boolean> {
    const lease = this.#leases.keep({ table, key, value, site }, ttlMs);
    const args = [this.#most, key, value, Math.min(ttlMs, LEASE_MS), site, this.config.ownId];
    const isKept = (await this.#run(this.#placeOf(table, key), PUT, args)) === 1;
    this.#leases.settle(lease, isKept);
    return isKept;
  }

  async get(table: Table, key: string): Promise<string | undefined> {
    const [entry] = entriesOf(await this.#run(this.#placeOf(table, key), GET, [key]));
    return entry?.[1];
  }

  async delete(table: Table, key: string, onlyOwn = false): Promise<void> {
    const owner = onlyOwn ? this.config.ownId : '';
    this.#leases.drop(table, key);
    try {
      await this.#run(this.#placeOf(table, key), DELETE, [key, owner]);
    } catch (error) {
      this.#leases.deleteLater(table, key, owner);
      throw error;
    }
  }

  async sample(table: Table, count: number, group?: string): Promise<Entries> {
    if (count <= 0) return [];
    const { places, random } = this.config;
    if (group !== undefined) {
      const chances = Array.from({ length: count }, () => random());
      return entriesOf(await this.#run(this.#placeOf(table, group), SAMPLE_GROUP, [group, ...chances]));
    }
    const first = Math.floor(random() * places);
    const order = Array.from({ length: places }, (_, index) => `${table}:${(first + index) % places}`);
    const ask = async (some: readonly string[], most: number) =>
      (await Promise.all(some.map((place) => this.#run(place, SAMPLE, [most])))).flatMap(entriesOf);
    const found = await ask(order.slice(0, SAMPLED_PLACES), count);
    if (found.length < count && places > SAMPLED_PLACES) {
      for (const entry of await ask(order.slice(SAMPLED_PLACES), count - found.length)) found.push(entry);
    }
    // Of several places more may have come than were asked for, those of the first place first.
    const start = places > 1 ? Math.floor(random() * found.length) : 0;
    return [...found.slice(start), ...found.slice(0, start)].slice(0, count);
  }

  async list(table: Table, group: string): Promise<Entries> {
    return entriesOf(await this.#run(this.#placeOf(table, group), LIST, [group]));
  }

  get #most(): number {
    return Math.ceil(this.config.maxEntries / this.config.places);
  }

  async #renew(place: string, leases: readonly Lease[], mayBeLost: boolean): Promise<readonly boolean[]> {
    const { connection, ownId } = this.config;
    const now = connection.scheduler.now();
    const entries = leases.flatMap(({ key, value, until, site, isWritten }) => [
      key,
      value,
      Math.ceil(Math.min(until - now, LEASE_MS)),
      site,
      isWritten ? 1 : 0,
    ]);
    const answer = await this.#run(place, RENEW, [this.#most, ownId, mayBeLost ? 1 : 0, TABLE_MS, ...entries]);
    if (!Array.isArray(answer) || answer.length !== leases.length) throw notAsked('a renewal');
    return answer.map((isKept) => isKept === 1);
  }

  #run(place: string, script: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { connection, now } = this.config;
    return connection.run(place, script, TABLE_KEYS, [now?.() ?? '', ...args]);
  }

  #placeOf(table: Table, key: string): string {
    const { places } = this.config;
    const [group = ''] = key.split(' ', 1);
    return `${table}:${places === 1 ? 0 : slotOf(group) % places}`;
  }
}

/** Keys and values in turns. */
function entriesOf(answer: unknown): Entries {
  if (!Array.isArray(answer) || answer.length % 2 !== 0) throw notAsked('entries');
  const texts: readonly unknown[] = answer;
  return Array.from({ length: texts.length / 2 }, (_, index) => {
    const [key, value] = texts.slice(2 * index, 2 * index + 2);
    if (typeof key !== 'string' || typeof value !== 'string') throw notAsked('entries');
    return [key, value];
  });
}
