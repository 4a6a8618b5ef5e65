import { Subscription } from 'rxjs';
import { ByAge } from '../../../lib/bounds/by-age.js';
import type { Table } from '../store.js';
import type { RedisConnection } from './connection.js';

/**
 * An entry ends this long after the process that has put it has ended, in milliseconds, if that was killed. Far longer than any pause of
 * a process, far shorter than a day, for which nodes are listed.
 */
export const LEASE_MS = 180_000;

/** What a process has put is renewed this often, in milliseconds: a lease outlasts a missed turn. */
const RENEW_MS = LEASE_MS / 3;

/** What is due is looked for this often, in milliseconds, so that the work is spread. */
const LOOK_MS = 1_000;

/** So many entries one script renews, and so many scripts wait for answers at a time. */
const [AT_ONCE, SIDE_BY_SIDE] = [64, 8];

/** What could not be written again is tried again after this time, in milliseconds, then after twice as long, up to a limit. */
const [AGAIN_MS, AGAIN_MAX_MS] = [200, 3_200];

/** What could not be deleted while the store was gone, at most. */
const MAX_GONE = 10_000;

/** Something that this process keeps in the store. */
export interface Lease {
  readonly table: Table;
  readonly key: string;
  readonly value: string;
  readonly site: string;
  /** When it ends, by this process's clock. */
  readonly until: number;
  /** Whether Redis has ever confirmed it. */
  isWritten: boolean;
  renewAt: number;
}

/** How {@link Leases} reach the store. */
interface LeasesConfig {
  readonly connection: RedisConnection;
  /** In which place an entry is. */
  readonly placeOf: (table: Table, key: string) => string;
  /** Renews entries of one place. Resolves to which are there. */
  readonly renew: (place: string, leases: readonly Lease[], mayBeLost: boolean) => Promise<readonly boolean[]>;
  /** Deletes an entry; with an owner only if it is that one's. */
  readonly delete: (table: Table, key: string, owner: string) => Promise<unknown>;
}

/**
 * What this process has put in the store and not deleted: renewed while the process lives, and written again when the store was gone,
 * since it may have lost it.
 */
export class Leases {
  /** In the order in which they are to be renewed. */
  readonly #leases = new ByAge<string, Lease>();
  readonly #gone = new Map<string, Pick<Lease, 'table' | 'key'> & { readonly owner: string }>();
  readonly #work = new Subscription();
  #isRestoring = false;
  #isToRestore = false;

  constructor(readonly config: LeasesConfig) {
    const { connection } = config;
    this.#work.add(
      connection.onRestored(() => {
        this.#isToRestore = true;
        if (!this.#isRestoring) void this.#restore();
      }),
    );
    this.#lookLater();
  }

  close(): void {
    this.#work.unsubscribe();
  }

  /** An entry is about to be put. */
  keep(entry: Pick<Lease, 'table' | 'key' | 'value' | 'site'>, ttlMs: number): Lease {
    const now = this.config.connection.scheduler.now();
    const id = idOf(entry);
    const lease: Lease = { ...entry, until: now + ttlMs, isWritten: false, renewAt: now + RENEW_MS };
    this.#gone.delete(id);
    this.#leases.add(id, lease);
    return lease;
  }

  /** An entry was put, or there was no room for it. */
  settle(lease: Lease, isKept: boolean): void {
    lease.isWritten = isKept;
    if (!isKept) this.#forget(lease);
  }

  /** An entry is about to be deleted. */
  drop(table: Table, key: string): void {
    this.#leases.delete(idOf({ table, key }));
  }

  /** An entry could not be deleted: that is done later. */
  deleteLater(table: Table, key: string, owner: string): void {
    if (this.#gone.size < MAX_GONE) this.#gone.set(idOf({ table, key }), { table, key, owner });
  }

  #forget(lease: Lease): void {
    if (this.#leases.get(idOf(lease)) === lease) this.#leases.delete(idOf(lease));
  }

  #lookLater(): void {
    this.#work.add(
      this.config.connection.scheduler.schedule(() => {
        const now = this.config.connection.scheduler.now();
        const due: Lease[] = [];
        for (const [, lease] of this.#leases) {
          if (lease.renewAt > now) break;
          due.push(lease);
        }
        // What fails is tried again when the store is there again.
        void this.#renew(due, false);
        this.#lookLater();
      }, LOOK_MS),
    );
  }

  /** A cluster may refuse for a moment what it has asked for. */
  async #restore(): Promise<void> {
    this.#isRestoring = true;
    for (let pauseMs = AGAIN_MS; this.#isToRestore; pauseMs = Math.min(2 * pauseMs, AGAIN_MAX_MS)) {
      this.#isToRestore = false;
      const gone = [...this.#gone.values()];
      this.#gone.clear();
      await inTurns(gone, async ({ table, key, owner }) => {
        if (this.#leases.has(idOf({ table, key }))) return;
        await this.config.delete(table, key, owner).catch(() => {
          this.deleteLater(table, key, owner);
        });
      });
      const areAllWritten = await this.#renew(
        Array.from(this.#leases, ([, lease]) => lease),
        true,
      );
      if (areAllWritten && this.#gone.size === 0) continue;
      this.#isToRestore = true;
      await this.#pause(pauseMs);
    }
    this.#isRestoring = false;
  }

  /** Never ends when this is closed meanwhile. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#work.add(
        this.config.connection.scheduler.schedule(() => {
          resolve();
        }, ms),
      );
    });
  }

  /** Resolves to whether the store has answered all of it. */
  async #renew(leases: readonly Lease[], mayBeLost: boolean): Promise<boolean> {
    const now = this.config.connection.scheduler.now();
    const byPlace = new Map<string, Lease[]>();
    for (const lease of leases) {
      if (lease.until <= now) {
        this.#forget(lease);
        continue;
      }
      lease.renewAt = now + RENEW_MS;
      this.#leases.add(idOf(lease), lease);
      const place = this.config.placeOf(lease.table, lease.key);
      const others = byPlace.get(place);
      if (others === undefined) byPlace.set(place, [lease]);
      else others.push(lease);
    }
    const pieces = [...byPlace].flatMap(([place, all]) =>
      Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, index) => ({
        place,
        some: all.slice(index * AT_ONCE, (index + 1) * AT_ONCE),
      })),
    );
    let areAllAnswered = true;
    await inTurns(pieces, async ({ place, some }) => {
      const areThere = await this.config.renew(place, some, mayBeLost).catch(() => undefined);
      areAllAnswered &&= areThere !== undefined;
      if (areThere === undefined) return;
      some.forEach((lease, index) => {
        this.settle(lease, areThere[index] === true);
      });
    });
    return areAllAnswered;
  }
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += SIDE_BY_SIDE) {
    await Promise.all(items.slice(start, start + SIDE_BY_SIDE).map(work));
  }
}

function idOf({ table, key }: Pick<Lease, 'table' | 'key'>): string {
  return `${table} ${key}`;
}
