import fc from 'fast-check';
import type { RefusalCode } from '../../../lib/signalling/carriers/mailbox-messages.js';
import { Boxes } from '../../../servers/mailbox/boxes.js';
import { formatKept, type Kept } from '../../../servers/mailbox/kept.js';
import { DEFAULT_MAILBOX_LIMITS } from '../../../servers/mailbox/limits.js';
import { forgetfulStore } from '../../../servers/mailbox/store.js';
import { unwatched, type GaugeName } from '../../../servers/watch.js';

/** What each message is counted for, in bytes. */
const SIZE = 260;

/** So small that all of them are reached. */
const LIMITS = {
  ...DEFAULT_MAILBOX_LIMITS,
  messagesPerRecipient: 5,
  messagesPerSender: 3,
  messagesPerHost: 6,
  messages: 12,
  bytes: 11.5 * SIZE,
};

const RECEIVERS = ['a', 'b', 'c'];

const putting = fc.record({
  to: fc.constantFrom(...RECEIVERS),
  from: fc.constantFrom('k', 'l', 'm', 'n', 'o'),
  id: fc.nat({ max: 5 }).map(String),
  seenAt: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3'),
  isStored: fc.nat({ max: 2 }).map((chance) => chance > 0),
});

const step = fc.record({
  kind: fc.constantFrom('put', 'put', 'put', 'put', 'acknowledge', 'later'),
  /** Of which all but the first come while the first is being stored. */
  all: fc.array(putting, { minLength: 1, maxLength: 3 }),
  which: fc.nat({ max: 12 }),
});

type Putting = typeof putting extends fc.Arbitrary<infer T> ? T : never;

/** Boxes with a store whose writes end when the spec says so, and how. */
class Server {
  readonly disk = new Map<string, string>();
  now = 0;
  readonly #gauges = new Map<GaugeName, () => number>();
  #writes: ((isStored: boolean) => void)[] = [];
  #count = 0;

  readonly boxes = new Boxes({
    limits: LIMITS,
    now: () => this.now,
    arrived: () => undefined,
    watch: {
      ...unwatched,
      gauge: (name, read) => {
        this.#gauges.set(name, read);
        return () => undefined;
      },
    },
    store: {
      ...forgetfulStore,
      put: (key, value, inFavourOf = []) =>
        new Promise((resolve, reject) => {
          this.#writes.push((isStored) => {
            if (!isStored) {
              reject(new Error('the disk is full'));
              return;
            }
            for (const other of inFavourOf) this.disk.delete(other);
            this.disk.set(key, value);
            resolve();
          });
        }),
      delete: (keys) => {
        for (const key of keys) this.disk.delete(key);
        return Promise.resolve();
      },
    },
  });

  /** @param isReliable whether each write succeeds. */
  constructor(readonly isReliable: boolean) {}

  gauge(name: GaugeName): number | undefined {
    return this.#gauges.get(name)?.();
  }

  /** What can be taken. */
  get kept(): readonly Kept[] {
    return RECEIVERS.flatMap((to) => this.boxes.list(to, new Set(), { messages: 100, bytes: 1e9 }));
  }

  /** Puts messages at the same time, and ends their writes one after the other. */
  async put(all: readonly Putting[]): Promise<readonly (RefusalCode | undefined)[]> {
    const told = all.map(async ({ to, from, id, seenAt }) => {
      const receipt = `${this.#count++}`;
      return this.boxes.put({
        to,
        from,
        id,
        seenAt,
        message: 'AAAA',
        receipt,
        arrived: this.now,
        expires: this.now + 50,
      });
    });
    for (const { isStored } of all) {
      this.#writes.shift()?.(isStored || this.isReliable);
      await Promise.resolve();
    }
    for (const write of this.#writes.splice(0)) write(true);
    return Promise.all(told);
  }
}

/** How many of a kind there are, by what they have in common. */
function countsOf(all: readonly Kept[], of: (kept: Kept) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kept of all) counts.set(of(kept), (counts.get(of(kept)) ?? 0) + 1);
  return counts;
}

/** What a single put is told, and which messages leave for it: the newest of the sites that have most. */
function check(
  one: Putting,
  told: RefusalCode | undefined,
  { before, after, hasStayed }: { before: readonly Kept[]; after: readonly Kept[]; hasStayed: boolean },
): void {
  const left = before.filter((kept) => !after.some(({ receipt }) => receipt === kept.receipt));
  const isKnown = before.some(({ to, from, id }) => to === one.to && from === one.from && id === one.id);
  const isOfSender = before.filter(({ from }) => from === one.from).length >= LIMITS.messagesPerSender;
  const isOfHost = before.filter(({ seenAt }) => seenAt === one.seenAt).length >= LIMITS.messagesPerHost;
  if (isKnown || isOfSender || isOfHost) {
    throwUnless(told).toBe(isKnown ? undefined : isOfSender ? 'sender-full' : 'host-full');
    throwUnless(left).toEqual([]);
    return;
  }
  const box = before.filter(({ to }) => to === one.to);
  const isBoxFull = box.length >= LIMITS.messagesPerRecipient;
  const isFull = (before.length + 1) * SIZE > LIMITS.bytes;
  const wouldBeMost = (all: readonly Kept[]) => {
    const counts = countsOf(all, ({ seenAt }) => seenAt);
    return (counts.get(one.seenAt) ?? 0) + 1 >= Math.max(...counts.values());
  };
  if (isBoxFull && wouldBeMost(box)) throwUnless(told).toBe('recipient-full');
  else if (!isBoxFull && isFull && wouldBeMost(before)) throwUnless(told).toBe('server-full');
  else if (!isBoxFull && !isFull) throwUnless(told).toBe(one.isStored || !hasStayed ? undefined : 'not-saved');
  if (told !== undefined) {
    throwUnless(left).toEqual([]);
    return;
  }
  throwUnless(left.length > 0).toBe(isBoxFull || isFull);
  // One that was to leave and stayed has come last, for those who are to leave.
  if (hasStayed) return;
  for (const { to, seenAt, receipt } of left) {
    const newer = before.filter((kept) => kept.seenAt === seenAt && Number(kept.receipt) > Number(receipt));
    const inPlace = isBoxFull ? newer.filter((kept) => kept.to === to) : newer;
    throwUnless(inPlace.every((kept) => left.includes(kept))).toBeTrue();
  }
}

describe('The boxes of a mailbox server, whatever comes', () => {
  it('count what they keep, and evict the newest of whoever has most', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 100 }), async (isReliable, steps) => {
        const server = new Server(isReliable);
        let hasStayed = false;
        for (const { kind, all, which } of steps) {
          const before = server.kept;
          const [one] = all;
          if (kind === 'put') {
            const [told] = await server.put(all);
            hasStayed ||= !isReliable && all.some(({ isStored }) => !isStored);
            if (all.length === 1 && one !== undefined) check(one, told, { before, after: server.kept, hasStayed });
          } else if (kind === 'acknowledge') {
            const kept = before[which];
            if (kept === undefined) continue;
            await server.boxes.acknowledge(kept.to, [kept.receipt]);
            throwUnless(server.kept).toEqual(
              before.filter((other) => other !== kept && other.receipt !== kept.receipt),
            );
          } else {
            server.now += which;
            await server.boxes.sweep();
          }
          const { kept } = server;
          throwUnless([...server.disk.values()].toSorted()).toEqual(kept.map(formatKept).toSorted());
          throwUnless(server.gauge('mailboxMessages')).toBe(kept.length);
          throwUnless(server.gauge('mailboxBytes')).toBe(kept.length * SIZE);
          const oldest = Math.max(0, ...kept.map(({ arrived }) => server.now - arrived));
          throwUnless(server.gauge('mailboxOldestMs')).toBe(oldest);
          // In the order of arrival, in each box.
          for (const to of RECEIVERS) {
            const receipts = kept.filter((one) => one.to === to).map(({ receipt }) => Number(receipt));
            throwUnless(receipts).toEqual(receipts.toSorted((one, other) => one - other));
          }
        }
        server.now += 1_000;
        await server.boxes.sweep();
        throwUnless(server.disk.size).toBe(0);
        throwUnless(server.gauge('mailboxBytes')).toBe(0);
      }),
      { numRuns: 600 },
    );
  });
});
