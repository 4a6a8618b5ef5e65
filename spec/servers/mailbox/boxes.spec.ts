import { asyncScheduler, Subscription } from 'rxjs';
import { DEFAULT_MAILBOX_LIMITS } from '../../../servers/mailbox/limits.js';
import { Boxes, type BoxLimits } from '../../../servers/mailbox/boxes.js';
import type { Kept } from '../../../servers/mailbox/kept.js';
import { levelStore$ } from '../../../servers/mailbox/level-store.js';
import { unwatched } from '../../../servers/watch.js';
import { forgetfulStore, type MessageStore } from '../../../servers/mailbox/store.js';
import { temporaryFolder } from '../../support/folder.js';
import { heapUsed } from '../../support/heap.js';
import { specifyBoxes } from './boxes-contract.js';

const [MALLORY, MALICE, FRIEND, OTHER] = ['198.51.100.1', '198.51.100.2', '192.0.2.1', '192.0.2.2'];

describe('The boxes of a mailbox server', () => {
  specifyBoxes(({ limits, clock }) => {
    const now = () => clock.now;
    return Promise.resolve(
      new Boxes({ store: forgetfulStore, limits, now, watch: unwatched, arrived: () => undefined }),
    );
  });

  const path = temporaryFolder();
  let all = new Subscription();
  beforeEach(() => {
    all = new Subscription();
  });
  afterEach(() => {
    all.unsubscribe();
  });

  function boxesOf(limits: Partial<BoxLimits> = {}, store: MessageStore = forgetfulStore) {
    const boxes = new Boxes({
      store,
      limits: { ...DEFAULT_MAILBOX_LIMITS, ...limits },
      now: () => 0,
      watch: unwatched,
      arrived: () => undefined,
    });
    let count = 0;
    /** Every message is of a key of its own: keys are free. */
    const put = async (seenAt: string, fields: Partial<Kept> = {}) => {
      const id = `${count++}`;
      const message = {
        to: 'victim',
        from: id,
        id,
        message: id,
        seenAt,
        receipt: id,
        arrived: 0,
        expires: 1,
        ...fields,
      };
      return boxes.put(message);
    };
    const flood = async (most: number, ...addresses: readonly string[]) => {
      for (let index = 0; index < most; index++) for (const seenAt of addresses) await put(seenAt);
    };
    const list = (to = 'victim') => boxes.list(to, new Set(), { messages: 10_000, bytes: 1e9 });
    const addresses = (to?: string) => list(to).map(({ seenAt }) => seenAt);
    return { boxes, put, flood, list, addresses };
  }

  it('keep a message in memory, and not the request that it was a part of', async () => {
    const { put, list } = boxesOf();
    const before = heapUsed();
    for (let count = 0; count < 100; count++) {
      const request = Buffer.alloc(60_000, `${count} a word that is long enough to be a part `).toString('latin1');
      const part = (from: number) => request.slice(from, from + 40);
      await put(FRIEND, { to: part(0), from: part(100), id: part(200), message: part(300) });
    }
    expect(heapUsed() - before).toBeLessThan(2_000_000);
    expect(list('0 a word that is long enough to be a part').length).toBeLessThan(2);
  });

  it('hold nothing of what has left, while something of the same site stays', async () => {
    const { put, boxes } = boxesOf({ messagesPerHost: 10_000 });
    const before = heapUsed();
    for (let box = 0; box < 100; box++) {
      const to = `receiver ${box}`;
      await put(FRIEND, { to });
      for (let count = 0; count < 12; count++)
        await put(FRIEND, { to, message: 'x'.repeat(40_000), receipt: `${count}` });
      await boxes.acknowledge(to, [...Array(12).keys()].map(String));
    }
    expect(heapUsed() - before).toBeLessThan(4_000_000);
  });

  it('count for whom a message was kept that was to leave and stayed, and what came meanwhile', async () => {
    const writes: ((error?: Error) => void)[] = [];
    const store: MessageStore = {
      ...forgetfulStore,
      put: () =>
        new Promise((resolve, reject) => {
          writes.push((error) => {
            if (error === undefined) resolve();
            else reject(error);
          });
        }),
    };
    const { put } = boxesOf({ bytesPerRecipient: 1_500, messagesPerSender: 2, messagesPerHost: 2 }, store);
    const first = put(FRIEND, { from: 'a', message: 'x'.repeat(1_000) });
    writes.shift()?.();
    expect(await first).toBeUndefined();
    // It takes the place of the only message of that sender and site, who send again.
    const newcomer = put(OTHER, { from: 'b', message: 'x'.repeat(100) });
    const second = put(FRIEND, { to: 'somebody else', from: 'a' });
    writes.shift()?.(new Error('The disk is full'));
    expect(await newcomer).toBe('not-saved');
    writes.shift()?.();
    expect(await second).toBeUndefined();
    const third = [put(OTHER, { from: 'a' }), put(FRIEND, { from: 'c' })];
    for (const write of writes) write();
    expect(await Promise.all(third)).toEqual(['sender-full', 'host-full']);
  });

  it('are not filled by two hosts, nor kept full by many', async () => {
    const { put, flood, addresses } = boxesOf();
    await flood(1_000, MALLORY, MALICE);
    expect(addresses().length).toBeLessThan(DEFAULT_MAILBOX_LIMITS.messagesPerRecipient / 3);
    await flood(1_000, ...Array.from({ length: 20 }, (_, index) => `203.0.113.${index}`));
    expect(addresses()).toHaveSize(DEFAULT_MAILBOX_LIMITS.messagesPerRecipient);
    for (const friend of [FRIEND, OTHER]) expect(await put(friend)).toBeUndefined();
    expect(addresses()).toHaveSize(DEFAULT_MAILBOX_LIMITS.messagesPerRecipient);
    expect(addresses().slice(-2)).toEqual([FRIEND, OTHER]);
  });

  it('evict messages that are still being written, too, and say so', async () => {
    const { put, addresses } = boxesOf({ messagesPerRecipient: 2 });
    expect(await Promise.all([put(MALLORY), put(MALLORY), put(FRIEND)])).toEqual([
      undefined,
      'recipient-full',
      undefined,
    ]);
    expect(addresses()).toEqual([MALLORY, FRIEND]);
    expect(await put(OTHER)).toBe('recipient-full');
  });

  it('tell of a message that is put twice the same twice, also when it is evicted while it is being written', async () => {
    const { put, addresses } = boxesOf({ messagesPerRecipient: 2 });
    const same = { from: 'b', id: 'c' };
    const told = [put(MALLORY), put(MALLORY, same), put(MALLORY, same), put(FRIEND)];
    expect(await Promise.all(told)).toEqual([undefined, 'recipient-full', 'recipient-full', undefined]);
    expect(addresses()).toEqual([MALLORY, FRIEND]);
  });

  it('say by which place a message was evicted', async () => {
    const { put } = boxesOf({ messages: 2 });
    const told = [put(MALLORY, { to: 'a' }), put(MALLORY, { to: 'b' }), put(FRIEND, { to: 'c' })];
    expect(await Promise.all(told)).toEqual([undefined, 'server-full', undefined]);
  });

  it('evict the newest after several were to leave and could stay', async () => {
    let isBroken = false;
    const put$ = () => (isBroken ? Promise.reject(new Error('The disk is full')) : Promise.resolve());
    const bytes = (count: number) => ({ message: 'x'.repeat(count) });
    const { put, list } = boxesOf({ bytesPerRecipient: 4 * 356 }, { ...forgetfulStore, put: put$ });
    for (let count = 0; count < 4; count++) await put(MALLORY, bytes(100));
    isBroken = true;
    expect(await put(FRIEND, bytes(101))).toBe('not-saved');
    isBroken = false;
    expect(await put(FRIEND, bytes(100))).toBeUndefined();
    expect(list().map(({ receipt }) => receipt)).toEqual(['0', '1', '2', '5']);
  });

  it('keep the messages to evict when the newcomer cannot be stored, in the same order', async () => {
    let isBroken = false;
    const put$ = () => (isBroken ? Promise.reject(new Error('The disk is full')) : Promise.resolve());
    const { put, list, addresses } = boxesOf(
      { messagesPerRecipient: 4, messages: 5 },
      { ...forgetfulStore, put: put$ },
    );
    for (const host of [MALLORY, MALLORY, MALLORY, OTHER]) await put(host);
    await put(MALLORY, { to: 'somebody else' });
    isBroken = true;
    expect(await Promise.all([put(FRIEND), put(FRIEND), put(MALLORY)])).toEqual([
      'not-saved',
      'recipient-full',
      'recipient-full',
    ]);
    expect(list().map(({ receipt }) => receipt)).toEqual(['0', '1', '2', '3']);
    isBroken = false;
    expect(await put(FRIEND)).toBeUndefined();
    expect(addresses()).toEqual([MALLORY, MALLORY, OTHER, FRIEND]);
    expect(addresses('somebody else')).toEqual([MALLORY]);
  });

  it('take constant time for a put when they are full, however many sites have messages', async () => {
    const sites = 5_000;
    const { put } = boxesOf({ messages: 2 * sites });
    const from = (index: number) => `198.18.${index >> 8}.${index & 255}`;
    for (let index = 0; index < 2 * sites; index++) await put(from(index % sites), { to: `${index}` });
    expect(await put(FRIEND, { to: 'first' })).toBeUndefined();
    // Whoever walks through a map asks it for an iterator.
    const walks = [
      spyOn(Map.prototype, 'keys').and.callThrough(),
      spyOn(Map.prototype, 'values').and.callThrough(),
      spyOn(Map.prototype, Symbol.iterator).and.callThrough(),
    ];
    expect(await put(OTHER, { to: 'second' })).toBeUndefined();
    expect(walks.map(({ calls }) => calls.count())).toEqual([0, 0, 0]);
  });

  it('delete evicted messages from the disk', async () => {
    const store = await new Promise<MessageStore>((resolve, reject) => {
      all.add(levelStore$(path('data'), asyncScheduler).subscribe({ next: resolve, error: reject }));
    });
    const limits = { messagesPerRecipient: 3 };
    const before = boxesOf(limits, store);
    await Promise.all([MALLORY, MALLORY, MALLORY, FRIEND].map((host) => before.put(host)));
    const after = boxesOf(limits, store);
    await after.boxes.load();
    expect(after.addresses()).toEqual([MALLORY, MALLORY, FRIEND]);
  });
});
