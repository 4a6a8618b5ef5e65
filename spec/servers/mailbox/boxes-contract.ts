import type { BoxLimits } from '../../../servers/mailbox/boxes.js';
import type { Kept } from '../../../servers/mailbox/kept.js';
import { DEFAULT_MAILBOX_LIMITS } from '../../../servers/mailbox/limits.js';
import type { MessageBoxes } from '../../../servers/mailbox/message-boxes.js';

const [MALLORY, FRIEND, OTHER] = ['198.51.100.1', '192.0.2.1', '192.0.2.2'] as const;

/** What a message of `size` characters is counted for. */
const counted = (size: number) => size + 256;

/** What boxes are opened with. */
export interface BoxesOptions {
  readonly limits: BoxLimits;
  /** A clock that a spec turns. */
  readonly clock: { now: number };
}

/**
 * The specs that all boxes have to pass.
 *
 * @param open opens boxes with nothing in them, closed after the spec.
 */
export function specifyBoxes(open: (options: BoxesOptions) => Promise<MessageBoxes>): void {
  async function boxesOf(limits: Partial<BoxLimits> = {}) {
    const clock = { now: 0 };
    const boxes = await open({ limits: { ...DEFAULT_MAILBOX_LIMITS, ...limits }, clock });
    let count = 0;
    /** Every message is of a key of its own: keys are free. */
    const put = (seenAt: string, fields: Partial<Kept> = {}) => {
      const id = `${count++}`;
      const common = { to: 'victim', from: id, id, message: id, seenAt, receipt: id, arrived: 0, expires: 100 };
      return boxes.put({ ...common, ...fields });
    };
    const list = async (to = 'victim', without: readonly string[] = [], most = { messages: 10_000, bytes: 1e9 }) =>
      boxes.list(to, new Set(without), most);
    const addresses = async (to?: string) => (await list(to)).map(({ seenAt }) => seenAt);
    const receipts = async (...args: Parameters<typeof list>) => (await list(...args)).map(({ receipt }) => receipt);
    return { boxes, clock, put, list, addresses, receipts };
  }

  it('bring messages as they came, in their order, to their receiver alone, without those that it holds', async () => {
    const { put, list, receipts } = await boxesOf();
    const message: Kept = {
      to: 'a',
      from: 'b',
      id: 'c',
      message: 'eA-_0',
      seenAt: FRIEND,
      receipt: 'r',
      arrived: 5,
      expires: 100,
    };
    expect(await put(FRIEND, message)).toBeUndefined();
    expect(await list('a')).toEqual([jasmine.objectContaining(message)]);
    for (let index = 0; index < 12; index++) await put(OTHER);
    expect(await receipts()).toEqual(Array.from({ length: 12 }, (_, index) => `${index + 1}`));
    expect(await receipts('victim', ['1', '3'], { messages: 3, bytes: 1e9 })).toEqual(['2', '4', '5']);
    expect(await receipts('victim', [], { messages: 9, bytes: 2 * counted(1) })).toEqual(['1', '2']);
    expect(await receipts('victim', [], { messages: 9, bytes: 1 })).toEqual(['1']);
    expect(await list('nobody')).toEqual([]);
  });

  it('keep a message until its receiver acknowledges it, and once, however often it is put', async () => {
    const { boxes, put, receipts } = await boxesOf({ messagesPerSender: 2 });
    const same = { from: 'b', id: 'c' };
    expect(await put(FRIEND, { ...same, receipt: 'one' })).toBeUndefined();
    expect(await put(FRIEND, { ...same, receipt: 'two' })).toBeUndefined();
    expect(await receipts()).toEqual(['one']);
    await boxes.acknowledge('somebody else', ['one']);
    await boxes.acknowledge('victim', ['unknown']);
    expect(await receipts()).toEqual(['one']);
    await boxes.acknowledge('victim', ['one']);
    expect(await receipts()).toEqual([]);
    expect(await put(FRIEND, { ...same, receipt: 'three' })).toBeUndefined();
    expect(await receipts()).toEqual(['three']);
  });

  it('forget messages that have expired, and count them no longer', async () => {
    const { boxes, clock, put, receipts } = await boxesOf({ messagesPerSender: 1, messages: 2 });
    await put(FRIEND, { from: 'b', expires: 10 });
    await put(FRIEND, { expires: 11 });
    clock.now = 10;
    expect(await receipts()).toEqual(['1']);
    await boxes.sweep();
    expect(await put(FRIEND, { from: 'b' })).toBeUndefined();
    expect(await receipts()).toEqual(['1', '2']);
  });

  it('keep a message once more when the one before has expired, whether it was swept or not', async () => {
    const { clock, put, receipts } = await boxesOf({ messagesPerSender: 1 });
    const same = { from: 'b', id: 'c' };
    expect(await put(FRIEND, { ...same, expires: 10 })).toBeUndefined();
    clock.now = 10;
    expect(await put(FRIEND, same)).toBeUndefined();
    expect(await receipts()).toEqual(['1']);
  });

  it('have room for so many messages and bytes of a sender, and of a site', async () => {
    const { put } = await boxesOf({ messagesPerSender: 2, messagesPerHost: 3, bytesPerHost: 4 * counted(1) });
    expect(await put(FRIEND, { from: 'b' })).toBeUndefined();
    expect(await put(OTHER, { from: 'b' })).toBeUndefined();
    expect(await put(MALLORY, { from: 'b' })).toBe('sender-full');
    expect(await put(FRIEND, { message: 'x'.repeat(counted(1) * 3) })).toBe('host-full');
    expect(await put(FRIEND)).toBeUndefined();
    expect(await put(FRIEND)).toBeUndefined();
    expect(await put(FRIEND)).toBe('host-full');
  });

  it('evict the newest message of the largest site for a smaller site, and for nobody else', async () => {
    const { put, list, addresses } = await boxesOf({ messagesPerRecipient: 5 });
    for (const host of [MALLORY, MALLORY, MALLORY, OTHER, OTHER]) await put(host);
    expect(await put(MALLORY)).toBe('recipient-full');
    expect(await put(OTHER)).toBe('recipient-full');
    expect(await put(FRIEND)).toBeUndefined();
    expect((await list()).map(({ receipt }) => receipt)).toEqual(['0', '1', '3', '4', '7']);
    expect(await put(FRIEND)).toBe('recipient-full');
    expect(await addresses()).toEqual([MALLORY, MALLORY, OTHER, OTHER, FRIEND]);
  });

  it('evict as many messages as needed when they are full of bytes, and none in vain', async () => {
    const { put, addresses } = await boxesOf({ bytesPerRecipient: 4 * counted(100) });
    for (let index = 0; index < 4; index++) await put(MALLORY, { message: 'x'.repeat(100) });
    expect(await put(FRIEND, { message: 'x'.repeat(3 * 356 + 100) })).toBe('recipient-full');
    expect(await addresses()).toHaveSize(4);
    expect(await put(FRIEND, { message: 'x'.repeat(101) })).toBeUndefined();
    expect(await addresses()).toEqual([MALLORY, MALLORY, FRIEND]);
  });

  it('do so among all receivers, when all of them together are full', async () => {
    const { put, addresses } = await boxesOf({ messages: 4 });
    for (const to of ['a', 'b', 'c']) await put(MALLORY, { to });
    await put(OTHER, { to: 'd' });
    expect(await put(MALLORY)).toBe('server-full');
    expect(await put(FRIEND)).toBeUndefined();
    expect([await addresses('b'), await addresses('c'), await addresses('d'), await addresses()]).toEqual([
      [MALLORY],
      [],
      [OTHER],
      [FRIEND],
    ]);
  });

  it('count the addresses of an IPv6 site as one', async () => {
    const { put, addresses } = await boxesOf({ messagesPerRecipient: 4 });
    for (let net = 0; net < 4; net++) expect(await put(`2001:db8:1:${net}::1`)).toBeUndefined();
    expect(await put('2001:db8:1:9::1')).toBe('recipient-full');
    expect(await put('2001:db8:2::1')).toBeUndefined();
    expect((await addresses()).at(-1)).toBe('2001:db8:2::1');
  });

  it('count nothing twice when a receipt is acknowledged twice at once', async () => {
    const { boxes, put } = await boxesOf({ messagesPerRecipient: 2 });
    for (const receipt of ['one', 'two']) await put(FRIEND, { receipt });
    await boxes.acknowledge('victim', ['one', 'one']);
    expect(await put(FRIEND)).toBeUndefined();
    expect(await put(FRIEND)).toBe('recipient-full');
  });
}
