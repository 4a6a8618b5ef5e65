import { BegunBytes } from '../../lib/bounds/begun-bytes.js';
import { concat, map, NEVER, Observable, range, Subject, throwError } from 'rxjs';
import { Exposures } from '../../lib/remote/expose.js';
import type { ExposeOptions, OverflowPolicy } from '../../lib/remote/interface.js';
import { SlowChannel } from './slow-channel.js';

const LIMITS = {
  remoteCalls: 10,
  remoteCallsPerSecond: 100,
  remoteBytes: 300_000,
  remoteTotalBytes: 10_000_000,
  messageBytes: 400_000,
  channels: 100,
};

/** A call of a method, on a channel of which the peer takes nothing yet. */
function called(run: (...args: unknown[]) => unknown, options: Partial<ExposeOptions> = {}, limits = LIMITS) {
  const exposures = new Exposures<object>(limits, () => 0);
  const exposed = exposures.add({ run }, { as: 'object', ...options });
  const channel = new SlowChannel();
  let isReleased = false;
  const release = () => {
    isReleased = true;
  };
  exposures.take('rxp2p:remote:json:object', {}, () => ({ channel, begun: new BegunBytes(1_000), release }));
  const send = (text: string) => channel.handler?.onData(Buffer.from(text));
  return { channel, exposed, send, isReleased: () => isReleased };
}

/** Until what has been done in this run of JavaScript has had its effects. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('A call that is served', () => {
  const long = 'x'.repeat(100_000);

  for (const overflow of ['latest', 'drop-oldest'] satisfies OverflowPolicy[]) {
    it(`sends the values that wait before its failure, with the policy ${overflow}`, async () => {
      const values$ = concat(
        range(0, 4).pipe(map((i) => `${i} ${long}`)),
        throwError(() => new Error('broken')),
      );
      const { channel, send } = called(() => values$, { overflow });
      send('["run"]\n');
      await settled();
      channel.take();
      channel.take();
      const lines = channel.lines.map((line) => line.slice(0, 3));
      expect(lines.slice(-2)).toEqual(['"3 ', '!{"']);
      expect(channel.hasEnded).toBeTrue();
    });

    it(`keeps the latest value however long it is, with the policy ${overflow}`, async () => {
      const values = new Subject<string>();
      const { channel, send } = called(() => values, { overflow });
      send('["run"]\n');
      values.next(long + long);
      values.next(`latest ${'x'.repeat(350_000)}`);
      values.complete();
      await settled();
      channel.take();
      expect(channel.lines.map((line) => line.slice(0, 7))).toEqual(['"xxxxxx', '"latest']);
    });
  }

  it('of an Observable that emits for ever and at once ends it when too much waits', () => {
    let emitted = 0;
    const endless$ = new Observable<string>((subscriber) => {
      while (!subscriber.closed && emitted < 1_000) {
        emitted++;
        subscriber.next(long);
      }
    });
    const { channel, send } = called(() => endless$);
    send('["run"]\n');
    expect(emitted).toBeLessThan(10);
    expect(channel.lines.at(-1)).toContain('overflow');
  });

  it('ends an Observable that emits for ever and at once when the object is withdrawn by what it emits', () => {
    let emitted = 0;
    const { send, exposed } = called(() => {
      const endless$ = new Observable<number>((subscriber) => {
        while (!subscriber.closed && emitted < 1_000) {
          emitted++;
          if (emitted === 5) exposed.unsubscribe();
          subscriber.next(emitted);
        }
      });
      return endless$;
    });
    send('["run"]\n');
    expect(emitted).toBe(5);
  });

  it('does not ask an async iterable for values while the caller reads nothing', async () => {
    let given = 0;
    const { channel, send } = called(async function* () {
      for (;;) {
        given++;
        yield await Promise.resolve(long);
      }
    });
    send('["run"]\n');
    await settled();
    await settled();
    expect(given).toBe(2);
    channel.take();
    await settled();
    expect(given).toBe(4);
  });

  it('calls an iterator’s return only when it ends early', async () => {
    for (const [count, expected] of [
      [2, 0],
      [Infinity, 1],
    ] as const) {
      let returned = 0;
      let given = 0;
      const iterator: IterableIterator<string> = {
        next: () => (given++ < count ? { value: long, done: false } : { value: undefined, done: true }),
        return: () => {
          returned++;
          return { value: undefined, done: true };
        },
        [Symbol.iterator]: () => iterator,
      };
      const { channel, send } = called(() => iterator);
      send('["run"]\n');
      await settled();
      if (count === Infinity) channel.handler?.onReset({ code: 'reset', message: '' });
      else channel.take();
      await settled();
      expect(returned).toBe(expected);
    }
  });

  it('is over for its connection, and counts no more, when its source cannot clean up', () => {
    const throwing$ = new Observable(() => () => {
      throw new Error('no way to clean up');
    });
    const throwing: IterableIterator<string> = {
      next: () => ({ value: long, done: false }),
      return: () => {
        throw new Error('no way to clean up');
      },
      [Symbol.iterator]: () => throwing,
    };
    for (const source of [throwing$, throwing]) {
      const { channel, send, isReleased } = called(() => source);
      send('["run"]\n');
      expect(() => channel.handler?.onReset({ code: 'reset', message: '' })).not.toThrow();
      expect(isReleased()).toBeTrue();
    }
  });

  it('tells of whatever is thrown, also where that has no words', () => {
    const odd = new Error('odd');
    Object.defineProperty(odd, 'message', { value: 7 });
    const broken = new Error('broken');
    Object.defineProperty(broken, 'name', {
      get: () => {
        throw new Error('no name');
      },
    });
    const all: readonly unknown[] = [Object.create(null), undefined, Symbol('s'), { toString: 7 }, odd, broken, 'text'];
    for (const thrown of all) {
      const failing$ = new Observable((subscriber) => {
        subscriber.error(thrown);
      });
      const { channel, send } = called(() => failing$);
      expect(() => send('["run"]\n')).not.toThrow();
      expect(channel.lines[0]).toMatch(/^!{"kind":"error","name":"Error","message":".*"}$/);
      expect(channel.hasEnded).toBeTrue();
    }
  });

  it('does not pass the refusal of another node off as its own', () => {
    const { channel, send } = called(() =>
      throwError(() =>
        Object.assign(new Error('no such method'), { name: 'RemoteRefusedError', code: 'REMOTE_REFUSED' }),
      ),
    );
    send('["run"]\n');
    expect(channel.lines[0]).toContain('"kind":"error"');
  });

  it('never tells more of a failure than a caller may be sent', () => {
    const words = '\u0000'.repeat(1_000_000);
    for (const messageBytes of [100, 1_000, 100_000]) {
      const { channel, send } = called(
        () => throwError(() => Object.assign(new Error(words), { name: words, code: words })),
        {},
        { ...LIMITS, messageBytes },
      );
      send('["run"]\n');
      expect(channel.lines[0]?.length).toBeLessThanOrEqual(messageBytes);
    }
  });

  it('is called once, whatever comes behind the call, in the same piece or in another', () => {
    for (const pieces of [['["run",1]\nno JSON\n["run",2]\n'], ['["run",1]\n', 'no JSON\n', '["run",2]\n']]) {
      const calls: unknown[] = [];
      const { channel, send } = called((arg) => {
        calls.push(arg);
        return NEVER;
      });
      for (const piece of pieces) send(piece);
      expect([calls, channel.written, channel.hasEnded]).toEqual([[1], '', false]);
    }
  });

  it('refuses what is no call', () => {
    for (const text of [
      '\n',
      '{}\n',
      '[]\n',
      '[7]\n',
      '"run"\n',
      'null\n',
      'run\n',
      '!{}\n',
      '[["run"]]\n',
      '\u00ff\n',
    ]) {
      const { channel, send } = called(() => range(0, 3));
      send(text);
      expect(channel.lines[0]).toContain('"kind":"refused"');
      expect(channel.hasEnded).toBeTrue();
    }
  });
});
