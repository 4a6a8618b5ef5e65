import fc from 'fast-check';
import type { ChannelEnd } from '../../../lib/connection/channels/channel-end.js';
import {
  CHANNEL_FRAME,
  encodeChannelFrame,
  encodeLimit,
  encodeOpening,
  encodeReset,
} from '../../../lib/connection/channels/frames.js';
import { Multiplexer, MAX_UNANSWERED } from '../../../lib/connection/channels/multiplexer.js';
import type { Priority } from '../../../lib/connection/channels/priority.js';
import { ProtocolError } from '../../../lib/errors.js';
import { timesOf } from '../../support/left-to-ci.js';

/** One side: what its channels have brought, and what it says. */
class Side {
  readonly multiplexer: Multiplexer;
  readonly opened: ChannelEnd[] = [];
  readonly received = new Map<number, string>();
  readonly told: string[] = [];
  readonly over: string[] = [];
  onWritten: () => void = () => undefined;
  /** How often it has told that there may be room for one more. */
  rooms = 0;
  /** Channels that are not read: their bytes wait, and give no credit. */
  readonly stalled = new Set<number>();
  readonly unread = new Map<number, number>();
  now = 0;

  constructor(isControlling: boolean, { channels = 10_000, windowBytes = 1_000_000, accepts = true } = {}) {
    this.multiplexer = new Multiplexer({
      isControlling,
      channels,
      windowBytes,
      now: () => this.now,
      onDue: () => undefined,
      release: () => undefined,
      onRoom: () => {
        this.rooms++;
      },
      onOpen: (end) => {
        this.opened.push(end);
        if (!accepts) {
          end.reset({ code: 'refused', message: '' });
          return;
        }
        end.accept();
        this.attach(end);
      },
    });
    this.attach(this.multiplexer.own);
  }

  open(name = 'a', priority: Priority = 'normal'): ChannelEnd {
    const end = this.multiplexer.open({ name, priority });
    this.attach(end);
    return end;
  }

  attach(end: ChannelEnd): void {
    end.attach({
      onData: (bytes) => {
        this.received.set(end.id, (this.received.get(end.id) ?? '') + bytes.toString('latin1'));
        if (this.stalled.has(end.id)) this.unread.set(end.id, (this.unread.get(end.id) ?? 0) + bytes.length);
        else end.read(bytes.length);
      },
      onEnd: () => this.told.push(`${end.id} ended`),
      onReset: ({ code, resetCode }) => this.told.push(`${end.id} ${code} ${resetCode ?? ''}`.trim()),
      onWritten: () => {
        this.onWritten();
      },
      onOver: () => this.over.push(`${end.id} with ${[...this.multiplexer.ends].length - 1} more`),
    });
  }

  /** Reads what waits of a channel, and all that comes from now on. */
  readOn(id: number): void {
    this.stalled.delete(id);
    const end = [...this.multiplexer.ends].find((each) => each.id === id);
    end?.read(this.unread.get(id) ?? 0);
    this.unread.delete(id);
  }
}

/** Lets everything that one side has to say arrive at the other, in chunks of at most so many bytes; returns how many bytes. */
function carry(from: Side, to: Side, chunk = Infinity, most = Infinity): number {
  let carried = 0;
  for (let bytes = from.multiplexer.next(); bytes !== undefined; bytes = from.multiplexer.next()) {
    for (let at = 0; at < bytes.length; at += chunk) to.multiplexer.push(bytes.subarray(at, at + chunk));
    carried += bytes.length;
    if (carried >= most) break;
  }
  return carried;
}

function settle(here: Side, there: Side): void {
  while (carry(here, there) + carry(there, here) > 0);
}

const countOf = (side: Side) => [...side.multiplexer.ends].length;

describe('Channels over one stream', () => {
  it('are opened by either side, can be used at once, and are over when both sides have ended them', () => {
    const [here, there] = [new Side(true), new Side(false)];
    const [even, odd] = [here.open('one'), there.open('two')];
    even.write(Buffer.from('from here'));
    odd.write(Buffer.from('from there'));
    even.end();
    settle(here, there);
    expect([there.received.get(2), here.received.get(1)]).toEqual(['from here', 'from there']);
    expect(there.opened.map(({ name, priority }) => [name, priority])).toEqual([['one', 'normal']]);
    expect([there.told, countOf(here), countOf(there)]).toEqual([['2 ended'], 3, 3]);
    there.opened[0]?.write(Buffer.from('answer'));
    there.opened[0]?.end();
    settle(here, there);
    expect([here.received.get(2), here.told, countOf(here), countOf(there)]).toEqual(['answer', ['2 ended'], 2, 2]);
  });

  it('are reported as over when both sides have ended them, everything has been sent, and their numbers are free', () => {
    const [here, there] = [new Side(true), new Side(false)];
    const end = here.open();
    end.end();
    settle(here, there);
    const answer = there.opened[0];
    answer?.write(Buffer.alloc(100));
    answer?.end();
    expect([here.over, there.over]).toEqual([[], []]);
    settle(here, there);
    expect([here.over, there.over]).toEqual([['2 with 0 more'], ['2 with 0 more']]);
  });

  it('keep all bytes in order, even if a writer that learns that its bytes were sent flushes at once', () => {
    const [here, there] = [new Side(true), new Side(false)];
    const end = here.open();
    end.write(Buffer.alloc(9_000, 'a'));
    end.write(Buffer.alloc(9_000, 'b'));
    here.onWritten = () => {
      here.onWritten = () => undefined;
      carry(here, there);
    };
    carry(here, there);
    expect(there.received.get(2)).toBe('a'.repeat(9_000) + 'b'.repeat(9_000));
  });

  it('count as used by this side once it has sent on any of them, or opened one', () => {
    const [here, there] = [new Side(true), new Side(false)];
    expect(here.multiplexer.hasSent).toBeFalse();
    here.open();
    settle(here, there);
    expect([here.multiplexer.hasSent, there.multiplexer.hasSent]).toEqual([true, false]);
    there.opened[0]?.write(Buffer.from('answer'));
    expect(there.multiplexer.hasSent).toBeTrue();
  });

  it('that are reset end at once for both sides, what waits is dropped, and the number is free again', () => {
    const [here, there] = [new Side(true), new Side(false)];
    const end = here.open();
    settle(here, there);
    end.write(Buffer.alloc(1_000));
    end.reset({ code: 'reset', message: 'enough', resetCode: 7 });
    there.opened[0]?.write(Buffer.from('too late'));
    settle(here, there);
    expect(there.told).toEqual(['2 reset 7']);
    expect([there.received.get(2), here.received.get(2)]).toEqual([undefined, undefined]);
    expect([countOf(here), countOf(there)]).toEqual([1, 1]);
  });

  it('that both sides reset at once are over, and so are those that were ended before', () => {
    const [here, there] = [new Side(true), new Side(false)];
    for (const prepare of [
      () => undefined,
      (mine: ChannelEnd) => {
        mine.end();
      },
      (_mine: ChannelEnd, theirs: ChannelEnd | undefined) => theirs?.end(),
    ]) {
      const mine = here.open();
      settle(here, there);
      const theirs = there.opened.at(-1);
      prepare(mine, theirs);
      mine.reset({ code: 'reset', message: '' });
      theirs?.reset({ code: 'reset', message: '' });
      settle(here, there);
      expect([countOf(here), countOf(there)]).toEqual([1, 1]);
    }
  });

  it('end the connection when the peer breaks the protocol, and ignore frames that may have crossed an end', () => {
    const data = (channel: number, length = 1) => encodeChannelFrame(CHANNEL_FRAME.data, channel, Buffer.alloc(length));
    const opening = encodeOpening({ name: 'a', priority: 'normal' });
    const open = (channel: number) => encodeChannelFrame(CHANNEL_FRAME.open, channel, opening);
    const end = (channel: number) => encodeChannelFrame(CHANNEL_FRAME.end, channel);
    const limit = (type: typeof CHANNEL_FRAME.window | typeof CHANNEL_FRAME.blocked) =>
      encodeChannelFrame(type, 1, encodeLimit(100));
    const reset = encodeChannelFrame(CHANNEL_FRAME.reset, 1, encodeReset({ code: 'reset', message: '' }));
    const { window, blocked } = CHANNEL_FRAME;
    const wrong: Readonly<Record<string, readonly Buffer[]>> = {
      'data on a channel that is not open': [data(1)],
      'no data on a channel that is not open': [data(1, 0)],
      'data behind an end': [open(1), end(1), data(1)],
      'no data behind an end': [open(1), end(1), data(1, 0)],
      'more than the first window': [open(1), data(1, 65_537)],
      'a second end': [open(1), end(1), end(1)],
      'the end of a channel that is not open': [end(1)],
      "the end of the connection's own": [end(0)],
      "a reset of the connection's own": [encodeChannelFrame(CHANNEL_FRAME.reset, 0)],
      'a channel with a number of this side': [open(2)],
      'a channel with a number in use': [open(1), open(1)],
      'another channel 0': [open(0)],
      'a window of no offset': [open(1), encodeChannelFrame(window, 1, Buffer.alloc(5))],
      'a type that there is not': [encodeChannelFrame(CHANNEL_FRAME.end, 1).fill(6, 0, 1)],
    };
    for (const [name, frames] of Object.entries(wrong)) {
      const { multiplexer } = new Side(true);
      for (const frame of frames.slice(0, -1)) multiplexer.push(frame);
      expect(() => {
        multiplexer.push(frames.at(-1) ?? Buffer.alloc(0));
      })
        .withContext(name)
        .toThrowError(ProtocolError);
    }
    const here = new Side(true);
    for (const frame of [limit(window), limit(blocked), reset]) here.multiplexer.push(frame);
    expect([here.told, countOf(here)]).toEqual([[], 1]);
  });

  it('delay no other channel when nobody reads them, and take no more memory than their window', () => {
    const [here, there] = [new Side(true), new Side(false)];
    const [slow, quick] = [here.open('slow'), here.open('quick')];
    there.stalled.add(slow.id);
    slow.write(Buffer.alloc(1_000_000));
    quick.write(Buffer.alloc(1_000_000));
    settle(here, there);
    expect([there.received.get(slow.id)?.length, slow.waiting]).toEqual([65_536, 1_000_000 - 65_536]);
    expect([there.received.get(quick.id)?.length, quick.waiting]).toEqual([1_000_000, 0]);
    there.readOn(slow.id);
    settle(here, there);
    expect([there.received.get(slow.id)?.length, slow.waiting]).toEqual([1_000_000, 0]);
  });

  it('have windows that grow while the reader keeps up, out of a shared pool', () => {
    const windowBytes = 8 * 65_536;
    const [here, there] = [new Side(true), new Side(false, { windowBytes })];
    const all = Array.from({ length: 3 }, (_, i) => here.open(`${i}`));
    for (const end of all) end.write(Buffer.alloc(10_000_000));
    settle(here, there);
    for (const { id } of all) there.stalled.add(id);
    for (const end of all) end.write(Buffer.alloc(10_000_000));
    settle(here, there);
    const windows = all.map(({ id }) => there.unread.get(id) ?? 0);
    for (const window of windows) expect(window).toBeGreaterThanOrEqual(32_768);
    expect(Math.max(...windows)).toBeGreaterThan(65_536);
    expect(windows.reduce((sum, window) => sum + window, 0)).toBeLessThanOrEqual(windowBytes + 3 * 65_536);
    // What was given back is there for others.
    for (const end of all) end.reset({ code: 'reset', message: '' });
    settle(here, there);
    const last = here.open('last');
    last.write(Buffer.alloc(10_000_000));
    settle(here, there);
    there.stalled.add(last.id);
    last.write(Buffer.alloc(10_000_000));
    settle(here, there);
    expect(there.unread.get(last.id) ?? 0).toBeGreaterThan(65_536);
  });

  it('take turns by priority, and none starves', () => {
    const [here, there] = [new Side(true), new Side(false, { windowBytes: 1_000_000_000 })];
    const all = { bulk: here.open('', 'bulk'), normal: here.open('', 'normal'), urgent: here.open('', 'urgent') };
    // Windows are to be no reason to wait.
    for (const end of Object.values(all)) end.write(Buffer.alloc(20_000_000));
    settle(here, there);
    there.received.clear();
    for (const end of Object.values(all)) end.write(Buffer.alloc(20_000_000));
    carry(here, there, Infinity, 21 * 16_384 * 4);
    const share = ({ id }: ChannelEnd) => Math.round((there.received.get(id)?.length ?? 0) / (16_384 * 4));
    expect([share(all.urgent), share(all.normal), share(all.bulk)]).toEqual([16, 4, 1]);
  });

  it('delay a short line by at most one frame of each other channel', () => {
    const [here, there] = [new Side(true), new Side(false, { windowBytes: 1_000_000_000 })];
    const bulk = Array.from({ length: 10 }, () => here.open());
    for (const end of bulk) end.write(Buffer.alloc(10_000_000));
    settle(here, there);
    for (const end of bulk) end.write(Buffer.alloc(10_000_000));
    carry(here, there, Infinity, 1_000_000);
    const chat = here.open('chat');
    chat.write(Buffer.from('hi'));
    const carried = carry(here, there, Infinity, 11 * 20_000);
    expect(there.received.get(chat.id)).toBe('hi');
    expect(carried).toBeLessThan(11 * 20_000 + 20_000);
  });

  it('are refused beyond a number, and cannot be opened while too many are unanswered', () => {
    const [here, there] = [new Side(true), new Side(false, { channels: 3 })];
    for (let i = 0; i < 5; i++) here.open();
    settle(here, there);
    expect(here.told).toEqual(['8 refused', '10 refused']);
    expect([countOf(here), countOf(there)]).toEqual([4, 4]);
    expect(here.multiplexer.full).toBeUndefined();
    while (here.multiplexer.full === undefined) here.open();
    expect(here.multiplexer.full).toMatch(/256 have not been answered/);
    expect(countOf(here)).toBe(4 + MAX_UNANSWERED);
    settle(here, there);
    expect(here.multiplexer.full).toBeUndefined();
    expect([countOf(here), countOf(there)]).toEqual([4, 4]);
    const few = new Side(true, { channels: 2 });
    few.open();
    few.open();
    expect(few.multiplexer.full).toMatch(/2 are open/);
  });

  it('of calls leave room for others while they are unanswered, and each tells when there may be room again', () => {
    const [here, there] = [new Side(true), new Side(false, { channels: 3 })];
    while (here.multiplexer.fullForCalls === undefined) here.open();
    expect([countOf(here) - 1, here.multiplexer.full, here.rooms]).toEqual([224, undefined, 0]);
    settle(here, there);
    expect(here.multiplexer.fullForCalls).toBeUndefined();
    expect(here.rooms).toBeGreaterThanOrEqual(224);
  });

  it('tell why they were refused', () => {
    const [here, there] = [new Side(true), new Side(false, { channels: 1 })];
    const reasons: unknown[] = [];
    for (let i = 0; i < 2; i++)
      here.multiplexer.open({ name: 'a', priority: 'normal' }).attach({
        onData: () => undefined,
        onEnd: () => undefined,
        onReset: ({ code, refusal }) => reasons.push([code, refusal]),
        onWritten: () => undefined,
      });
    settle(here, there);
    expect(reasons).toEqual([['refused', 'too-many-channels']]);
  });

  it('are refused for a while to a peer that opens and resets them in a loop', () => {
    const [here, there] = [new Side(true), new Side(false)];
    for (let round = 0; round < 4_100; round++) {
      here.open().reset({ code: 'reset', message: '' });
      settle(here, there);
    }
    const before = there.opened.length;
    here.open();
    settle(here, there);
    expect([here.told, there.opened.length]).toEqual([[`${4_101 * 2} refused`], before]);
    there.now += 1_000;
    here.open();
    settle(here, there);
    expect(there.opened.length).toBe(before + 1);
  });

  it('deliver every byte once and in order, whatever the order of opening, writing, reading, ending and resetting, and whatever the chunks', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('open' as const),
        by: fc.boolean(),
        priority: fc.constantFrom('urgent' as const, 'normal' as const, 'bulk' as const),
      }),
      fc.record({
        do: fc.constant('write' as const),
        by: fc.boolean(),
        channel: fc.nat(9),
        length: fc.oneof(fc.nat(100), fc.nat(100_000)),
      }),
      fc.record({ do: fc.constant('end' as const), by: fc.boolean(), channel: fc.nat(9) }),
      fc.record({ do: fc.constant('reset' as const), by: fc.boolean(), channel: fc.nat(9) }),
      fc.record({ do: fc.constant('stall' as const), by: fc.boolean(), channel: fc.nat(9) }),
      fc.record({
        do: fc.constant('carry' as const),
        by: fc.boolean(),
        chunk: fc.integer({ min: 1, max: 70_000 }),
        most: fc.nat(200_000),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: '+1' }), (steps) => {
        const sides = [new Side(true), new Side(false)] as const;
        const [here, there] = sides;
        const sent = sides.map(() => new Map<number, string>());
        const reset = new Set<number>();
        let seed = 0;
        for (const each of steps) {
          const mine = each.by ? here : there;
          const index = each.by ? 0 : 1;
          if (each.do === 'open') {
            mine.open('', each.priority);
            continue;
          }
          if (each.do === 'carry') {
            carry(mine, each.by ? there : here, each.chunk, each.most);
            continue;
          }
          const ends = [...mine.multiplexer.ends];
          const end = ends[each.channel % ends.length];
          if (end === undefined) continue;
          if (each.do === 'write' && end.isWritable) {
            const bytes = Buffer.from(Array.from({ length: each.length }, () => (seed = (seed * 31 + 7) % 251)));
            sent[index]?.set(end.id, (sent[index].get(end.id) ?? '') + bytes.toString('latin1'));
            end.write(bytes);
          } else if (each.do === 'stall') mine.stalled.add(end.id);
          else if (end !== mine.multiplexer.own && each.do === 'end') end.end();
          else if (end !== mine.multiplexer.own && each.do === 'reset') {
            reset.add(end.id);
            end.reset({ code: 'reset', message: '' });
          }
        }
        settle(here, there);
        for (const side of sides) for (const id of [...side.stalled]) side.readOn(id);
        settle(here, there);
        for (const [from, to] of [
          [0, there],
          [1, here],
        ] as const) {
          for (const [id, text] of sent[from] ?? []) {
            const received = to.received.get(id) ?? '';
            throwUnless(text.startsWith(received)).toBeTrue();
            if (!reset.has(id)) throwUnless(received.length).toBe(text.length);
          }
        }
        throwUnless([here.multiplexer.waiting, there.multiplexer.waiting]).toEqual([0, 0]);
        throwUnless(countOf(here)).toBe(countOf(there));
      }),
      { numRuns: timesOf(300, 60) },
    );
  });
});
