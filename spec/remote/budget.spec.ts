import { concat, map, NEVER, Observable, of, range, Subject } from 'rxjs';
import { BegunBytes } from '../../lib/bounds/begun-bytes.js';
import { Exposures } from '../../lib/remote/expose.js';
import type { OverflowPolicy } from '../../lib/remote/interface.js';
import { SlowChannel } from './slow-channel.js';

/** Of a million bytes, half is shared out, 50,000 for each call; the rest is for those that need more, half of it for those that can wait. */
const LIMITS = {
  remoteCalls: 100,
  remoteCallsPerSecond: 100,
  remoteBytes: 400_000,
  remoteTotalBytes: 1_000_000,
  messageBytes: 400_000,
  channels: 10,
};

/** Calls that one peer makes, which takes nothing until the spec says so. */
function serving(run: (...args: unknown[]) => unknown, overflow: OverflowPolicy = 'fail') {
  const exposures = new Exposures<object>(LIMITS, () => 0);
  exposures.add({ run }, { as: 'object', overflow });
  const connection = {};
  const channels: SlowChannel[] = [];
  const call = (...args: unknown[]) => {
    const channel = new SlowChannel();
    channels.push(channel);
    const release = () => undefined;
    exposures.take('rxp2p:remote:json:object', connection, () => ({ channel, begun: new BegunBytes(1_000), release }));
    channel.handler?.onData(Buffer.from(`${JSON.stringify(['run', ...args])}\n`));
    return channel;
  };
  const waiting = () => channels.reduce((sum, channel) => sum + channel.waiting, 0);
  return { call, channels, waiting };
}

/** Until what has been done in this run of JavaScript has had its effects, those of Promises included. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('The calls of one peer', () => {
  const long = 'x'.repeat(99_990);

  it('share the bytes that may wait: the greediest Observable gives way, the others go on', async () => {
    const sources = new Map<unknown, Subject<string>>();
    const { call, waiting } = serving((name) => {
      const source = new Subject<string>();
      sources.set(name, source);
      return source;
    });
    const [greedy, other, small] = ['greedy', 'other', 'small'].map((name) => call(name));
    for (let i = 0; i < 4; i++) sources.get('greedy')?.next(long);
    sources.get('other')?.next(long);
    sources.get('small')?.next('1');
    await settled();
    expect(waiting()).toBeGreaterThan(490_000);
    for (let i = 0; i < 2; i++) sources.get('other')?.next(long);
    await settled();
    expect([greedy?.resets, other?.resets, small?.resets]).toEqual([['overflow'], [], []]);
    expect([greedy?.waiting, sources.get('greedy')?.observed]).toEqual([0, false]);
    sources.get('small')?.next('2');
    sources.get('other')?.complete();
    await settled();
    expect([small?.lines, other?.lines.length, other?.hasEnded]).toEqual([['"1"', '"2"'], 3, true]);
  });

  it('count until the peer has taken what waits, also those that are over', async () => {
    const { call, channels, waiting } = serving(() => of(long, long, long));
    for (let i = 0; i < 10; i++) {
      call();
      await settled();
      expect(waiting()).toBeLessThanOrEqual(LIMITS.remoteTotalBytes);
    }
    expect(channels.filter(({ resets }) => resets.length > 0).length).toBeGreaterThan(5);
    for (const channel of channels) channel.take();
    const before = channels.length;
    call();
    call();
    await settled();
    expect(channels.slice(before).map(({ resets }) => resets)).toEqual([[], []]);
  });

  for (const overflow of ['latest', 'drop-oldest'] satisfies OverflowPolicy[]) {
    it(`drop values rather than a call, with the policy ${overflow}`, async () => {
      const { call, channels, waiting } = serving(
        () => concat(range(0, 20).pipe(map((i) => `${i} ${long.slice(0, 30_000)}`)), NEVER),
        overflow,
      );
      for (let i = 0; i < 3; i++) call();
      await settled();
      expect(waiting()).toBeLessThanOrEqual(LIMITS.remoteTotalBytes);
      for (let i = 0; i < 100; i++) for (const channel of channels) channel.take();
      for (const { lines, resets } of channels)
        expect([resets, lines[0]?.slice(0, 3), lines.at(-1)?.slice(0, 4)]).toEqual([[], '"0 ', '"19 ']);
    });
  }

  for (const [kind, source] of [
    [
      'iterables',
      function* (value: string) {
        for (let i = 0; i < 3; i++) yield value;
      },
    ],
    [
      'async iterables',
      async function* (value: string) {
        for (let i = 0; i < 3; i++) yield await Promise.resolve(value);
      },
    ],
    ['Promises', (value: string) => Promise.resolve(value)],
  ] as const) {
    it(`wait for room where they are of ${kind}, and none is lost; those of few bytes never wait`, async () => {
      const { call, channels, waiting } = serving((length) => source(long.slice(0, Number(length))));
      for (let i = 0; i < 9; i++) call(99_990);
      await settled();
      expect(channels.filter((channel) => channel.waiting > 0).length).toBeLessThan(9);
      // One value may go beyond what they share.
      expect(waiting()).toBeLessThanOrEqual(LIMITS.remoteTotalBytes / 2 + 250_000 + long.length);
      const small = call(1_000);
      await settled();
      expect(small.hasEnded).toBeTrue();
      while (waiting() > 0) {
        for (const channel of channels) channel.take();
        await settled();
        expect(waiting()).toBeLessThanOrEqual(LIMITS.remoteTotalBytes);
      }
      for (const { lines, hasEnded, resets } of channels.slice(0, 9))
        expect([lines.length, hasEnded, resets]).toEqual([kind === 'Promises' ? 1 : 3, true, []]);
    });
  }

  it('ask no iterable for a value while others have used up the room, and go on when the peer has reset those', async () => {
    let asked = 0;
    const { call, channels } = serving(function* () {
      for (;;) {
        asked++;
        yield long;
      }
    });
    for (let i = 0; i < 9; i++) call();
    await settled();
    const before = asked;
    expect(before).toBeLessThan(18);
    const silent = channels.filter(({ waiting }) => waiting === 0);
    expect(silent.length).toBeGreaterThan(0);
    for (const channel of channels) {
      if (channel.waiting === 0) continue;
      channel.waiting = 0;
      channel.handler?.onReset({ code: 'reset', message: 'unsubscribed' });
    }
    await settled();
    expect(silent.some(({ waiting }) => waiting > 0)).toBeTrue();
  });

  it('end an Observable that emits a thousand values at once when another has used up the room', () => {
    const { call } = serving((count) =>
      typeof count === 'number'
        ? new Observable<string>((subscriber) => {
            for (let i = 0; i < count && !subscriber.closed; i++) subscriber.next(long);
          })
        : NEVER,
    );
    const first = call(3);
    const second = call(1_000);
    expect([first.resets, second.resets.length + Number(second.hasEnded)]).toEqual([[], 1]);
  });
});
