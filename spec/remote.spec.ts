import {
  concat,
  defer,
  EMPTY,
  firstValueFrom,
  from,
  interval,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  retry,
  Subject,
  switchMap,
  take,
  throwError,
  timeout,
  toArray,
  type ObservableInput,
  type Subscription,
} from 'rxjs';
import {
  ClosedError,
  InvalidMessageError,
  InvalidOptionError,
  RemoteError,
  RemoteRefusedError,
  TooManyChannelsError,
  UnavailableError,
  type Connection,
  type NetConfig,
  type StandardSchema,
} from '../lib/index.js';
import { failureOf, Lab } from './support/nodes.js';

/** An Observable that counts who is subscribed to it. */
function counting<T>(source$: Observable<T>) {
  const counts = { now: 0, ever: 0 };
  const changed = new Subject<number>();
  const counted$ = new Observable<T>((subscriber) => {
    counts.now++;
    counts.ever++;
    changed.next(counts.now);
    const subscription = source$.subscribe(subscriber);
    return () => {
      counts.now--;
      subscription.unsubscribe();
      changed.next(counts.now);
    };
  });
  return { counts, counted$, none: () => firstValueFrom(changed.pipe(switchMap((n) => (n === 0 ? of(n) : EMPTY)))) };
}

interface Market {
  prices(symbol: string): Observable<number>;
  buy(order: { readonly symbol: string; readonly count: number }): Promise<string>;
  symbols(): Iterable<string>;
  ticks(): AsyncIterable<number>;
  fail(message: string): Observable<never>;
}

/** A market of which a spec replaces what it looks at. */
const market = (own: Partial<Market> = {}): Market => ({
  prices: (symbol) => of(symbol.length, 2, 3),
  buy: ({ symbol, count }) => Promise.resolve(`${count} ${symbol}`),
  symbols: () => ['ACME', 'ZOE'],
  async *ticks() {
    for (let i = 0; i < 3; i++) yield await Promise.resolve(i);
  },
  fail: (message) => throwError(() => Object.assign(new TypeError(message), { code: 'E_SPEC' })),
  ...own,
});

describe('An Observable at the peer', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const all = <T>(values$: Observable<T>) => lastValueFrom(values$.pipe(toArray()));
  const exposing = async (own?: Partial<Market>, config: Partial<NetConfig> = {}) => {
    const pair = await lab.pair(config);
    lab.use(pair.peer.expose<Market>(market(own), { as: 'market' }));
    return { ...pair, remote: pair.here.remote<Market>('market') };
  };

  it('brings values and completes, of whatever a method returns: Observable, Promise, iterable or async iterable', async () => {
    const { remote } = await exposing();
    expect(await all(remote.prices('ACME'))).toEqual([4, 2, 3]);
    expect(await all(remote.buy({ symbol: 'ACME', count: 7 }))).toEqual(['7 ACME']);
    expect(await all(remote.symbols())).toEqual(['ACME', 'ZOE']);
    expect(await all(remote.ticks())).toEqual([0, 1, 2]);
  });

  it('is cold: nothing happens before it is subscribed to, and each subscription calls anew', async () => {
    const calls: string[] = [];
    const { remote } = await exposing({
      prices: (symbol) => {
        calls.push(symbol);
        return of(calls.length);
      },
    });
    const price$ = remote.prices('ACME');
    expect(calls).toEqual([]);
    expect([await all(price$), await all(price$)]).toEqual([[1], [2]]);
    expect(calls).toEqual(['ACME', 'ACME']);
  });

  it('ends at the peer when it is unsubscribed from, whichever operator does that', async () => {
    const { counts, counted$, none } = counting(concat(range(0, 100), NEVER));
    const { remote } = await exposing({ prices: () => counted$ });
    const none1 = none();
    expect(await all(remote.prices('').pipe(take(5)))).toEqual([0, 1, 2, 3, 4]);
    await none1;
    const none2 = none();
    expect(
      await failureOf(
        remote.prices('').pipe(
          switchMap(() => NEVER),
          timeout(50),
        ),
      ),
    ).toBeInstanceOf(Error);
    await none2;
    const subscription = remote.prices('').subscribe({ error: fail });
    await firstValueFrom(remote.prices(''));
    const none3 = none();
    subscription.unsubscribe();
    await none3;
    expect(counts.now).toBe(0);
  });

  it('unsubscribed from at once calls nothing that goes on', async () => {
    const { counts, counted$ } = counting(NEVER);
    const { remote } = await exposing({ prices: () => counted$ });
    remote.prices('').subscribe().unsubscribe();
    expect(await all(remote.symbols())).toEqual(['ACME', 'ZOE']);
    expect(counts.now).toBe(0);
  });

  it('fails with what the method fails with, but for its stack', async () => {
    const { remote } = await exposing({
      buy: () => {
        throw new RangeError('too many');
      },
    });
    const error = await failureOf(remote.fail('no such market'));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toEqual(new RemoteError('no such market', 'TypeError', 'E_SPEC'));
    expect(String((error as Error).stack)).not.toContain('remote.spec.ts:6');
    expect(await failureOf(remote.buy({ symbol: '', count: 1 }))).toEqual(new RemoteError('too many', 'RangeError'));
  });

  it('gives the values before its failure', async () => {
    const { remote } = await exposing({
      prices: () =>
        concat(
          of(1, 2),
          throwError(() => new Error('broken')),
        ),
    });
    const values: number[] = [];
    const error = await failureOf(remote.prices('').pipe(map((value) => values.push(value))));
    expect([values, String(error)]).toEqual([[1, 2], 'RemoteError: broken']);
  });

  it('can be retried, and every try is a call', async () => {
    let tries = 0;
    const { remote } = await exposing({
      prices: () => defer(() => (++tries < 3 ? throwError(() => new Error('not yet')) : of(tries))),
    });
    expect(await all(remote.prices('').pipe(retry(5)))).toEqual([3]);
  });

  it('is refused where nothing is exposed by the name, or no more, or by another codec', async () => {
    const { here, peer } = await lab.pair();
    const exposed = peer.expose<Market>(market({ prices: () => NEVER }), { as: 'market' });
    const remote = here.remote<Market>('market');
    const running = failureOf(remote.prices(''));
    await all(remote.symbols());
    expect(await failureOf(here.remote<Market>('market', { codec: 'messagepack' }).symbols())).toEqual(
      jasmine.objectContaining({ reason: 'unknown-name' }),
    );
    exposed.unsubscribe();
    for (const error of [
      await running,
      await failureOf(remote.symbols()),
      await failureOf(here.remote<Market>('').symbols()),
    ]) {
      expect(error).toBeInstanceOf(RemoteRefusedError);
      expect(error).toEqual(jasmine.objectContaining({ code: 'REMOTE_REFUSED', reason: 'unknown-name' }));
    }
    // The name is free again.
    peer.expose<Market>(market(), { as: 'market' });
    expect(await all(remote.symbols())).toEqual(['ACME', 'ZOE']);
  });

  it('calls nothing but own methods of the object, however they are named', async () => {
    class Account {
      readonly own = () => of('own');
      readonly secret = 7;
      inherited(): Observable<string> {
        return of('inherited');
      }
    }
    const { here, peer } = await lab.pair();
    peer.expose(new Account(), { as: 'account' });
    const remote = here.remote<Record<string, () => Observable<string>>>('account');
    expect(await all(remote['own']?.() ?? EMPTY)).toEqual(['own']);
    for (const name of [
      'inherited',
      'secret',
      'constructor',
      'toString',
      '__proto__',
      'hasOwnProperty',
      'valueOf',
      '',
    ]) {
      const error = await failureOf(remote[name]?.() ?? EMPTY);
      expect(error).toEqual(jasmine.objectContaining({ reason: 'unknown-method' }));
    }
    expect(remote['then']).toBeUndefined();
    expect(await Promise.resolve(remote)).toBe(remote);
  });

  it('may be of an object that is made for each who asks', async () => {
    const { here, peer } = await lab.pair();
    let made = 0;
    peer.expose(
      (connection: Connection) => {
        made++;
        return { whoAmI: () => of(connection.peerId) };
      },
      { as: 'me' },
    );
    const remote = here.remote<{ whoAmI(): Observable<string> }>('me');
    const [first, second] = [await firstValueFrom(remote.whoAmI()), await firstValueFrom(remote.whoAmI())];
    expect([first === second, made]).toEqual([true, 1]);
    expect(first).not.toBe(here.peerId);
  });

  it('carries any JSON, and bytes by MessagePack, or what a codec of the application’s makes of it', async () => {
    interface Echo {
      echo(...values: unknown[]): Observable<unknown>;
    }
    const { here, peer } = await lab.pair();
    const echo: Echo = { echo: (...values) => of(...values) };
    peer.expose<Echo>(echo, { as: 'echo' });
    const values = [null, true, 'a\nb', '', 'ü', 0.5, [], [[1]], { a: { b: ['!'] } }, undefined, '!'];
    expect(await all(here.remote<Echo>('echo').echo(...values))).toEqual([
      ...values.slice(0, 9),
      // In a list of arguments JSON has null in the place of what it has no word for.
      null,
      '!',
    ]);
    peer.expose<Echo>(echo, { as: 'echo', codec: 'messagepack' });
    const bytes = Uint8Array.of(0, 10, 255);
    const packed = await all(here.remote<Echo>('echo', { codec: 'messagepack' }).echo(bytes, { at: 1 }));
    expect(packed).toEqual([bytes, { at: 1 }]);
    const codec = {
      encode: (value: unknown) => Buffer.from(JSON.stringify(value)).map((byte) => byte ^ 0xff),
      decode: (encoded: Uint8Array): unknown => JSON.parse(Buffer.from(encoded.map((byte) => byte ^ 0xff)).toString()),
    };
    peer.expose<Echo>(echo, { as: 'echo', codec });
    expect(await all(here.remote<Echo>('echo', { codec }).echo(1, 'two'))).toEqual([1, 'two']);
  });

  it('fails where arguments or values cannot be sent, or are too long', async () => {
    const { remote, here } = await exposing(
      { prices: () => of(BigInt(1) as unknown as number), symbols: () => ['x'.repeat(2_000)] },
      { limits: { messageBytes: 1_000 } },
    );
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    for (const argument of [circular, BigInt(1), 'x'.repeat(1_000)]) {
      const any = here.remote<{ buy(argument: unknown): Observable<string> }>('market');
      expect(await failureOf(any.buy(argument))).toBeInstanceOf(InvalidMessageError);
    }
    expect(await failureOf(remote.prices(''))).toEqual(
      jasmine.objectContaining({ code: 'REMOTE', remoteName: 'TypeError' }),
    );
    expect(await failureOf(remote.symbols())).toEqual(
      jasmine.objectContaining({ code: 'REMOTE', remoteName: 'RangeError' }),
    );
  });

  it('keeps from the application what does not fit a schema, on either side', async () => {
    const numbers = (isFit: (value: unknown) => boolean): StandardSchema => ({
      '~standard': {
        version: 1,
        vendor: 'spec',
        validate: (value) =>
          isFit(value) ? { value } : Promise.resolve({ issues: [{ message: 'that is no number' }] }),
      },
    });
    const called: unknown[] = [];
    const { here, peer } = await lab.pair();
    interface Doubling {
      double(value: number): Observable<unknown>;
    }
    peer.expose<Doubling>(
      {
        double: (value) => {
          called.push(value);
          return of(value === 3 ? 'six' : value * 2);
        },
      },
      {
        as: 'doubling',
        schemas: {
          double: { args: numbers((args) => Array.isArray(args) && args.every((each) => typeof each === 'number')) },
        },
      },
    );
    const schemas = { double: { value: numbers((value) => typeof value === 'number') } };
    const remote = here.remote<Doubling>('doubling', { schemas });
    expect(await all(remote.double(2))).toEqual([4]);
    expect(await failureOf(remote.double(JSON.parse('"two"') as number))).toEqual(
      jasmine.objectContaining({ reason: 'invalid-arguments', message: jasmine.stringContaining('that is no number') }),
    );
    expect(await failureOf(remote.double(3))).toEqual(jasmine.objectContaining({ reason: 'invalid-value' }));
    expect(called).toEqual([2, 3]);
  });

  it('pulls from iterables only what the caller takes, and gives back what they hold', async () => {
    let given = 0;
    let isReturned = false;
    const text = 'x'.repeat(1_000);
    const { remote, here, there } = await exposing({
      *symbols() {
        try {
          for (;;) {
            given++;
            yield text;
          }
        } finally {
          isReturned = true;
        }
      },
    });
    // While this side does not read at all, the peer is told to wait.
    let taken = 0;
    const reading = remote.symbols().subscribe(() => {
      taken++;
      // A reader that takes 10 ms for each.
      if (taken <= 3) for (const start = Date.now(); Date.now() - start < 10;);
    });
    await firstValueFrom(remote.buy({ symbol: 'ACME', count: 1 }));
    reading.unsubscribe();
    const answered = firstValueFrom(there.lines$);
    here.send('after that');
    await answered;
    expect(isReturned).toBeTrue();
    // At most the windows and what the peer has at hand are ahead of the reader.
    expect(given - taken).toBeLessThan(40_000);
  });

  for (const overflow of ['fail', 'latest', 'drop-oldest'] as const) {
    it(`of an Observable that is faster than its caller has its values ${overflow}`, async () => {
      const text = 'x'.repeat(10_000);
      const { here, peer } = await lab.pair({ limits: { remoteBytes: 200_000, windowBytes: 200_000 } });
      interface Fast {
        all(): Observable<string>;
      }
      // All at once, so that nothing can be on its way before the last.
      peer.expose<Fast>({ all: () => range(0, 1_000).pipe(map((i) => `${i} ${text}`)) }, { as: 'fast', overflow });
      const values: number[] = [];
      const result = await lastValueFrom(
        here
          .remote<Fast>('fast')
          .all()
          .pipe(map((value) => values.push(Number.parseInt(value)))),
      ).catch((error: unknown) => error);
      expect(values[0]).toBe(0);
      if (overflow === 'fail') {
        expect(result).toEqual(jasmine.objectContaining({ code: 'REMOTE_REFUSED', reason: 'overflow' }));
        return;
      }
      expect(values.at(-1)).toBe(999);
      expect(values.length).toBeLessThan(overflow === 'latest' ? 30 : 50);
      expect(values).toEqual(values.toSorted((a, b) => a - b));
    });
  }

  it('is refused beyond a number of calls that are under way, and a number in a second', async () => {
    const { remote } = await exposing({ prices: () => NEVER }, { limits: { remoteCalls: 3 } });
    const held = [1, 2, 3].map(() => remote.prices('').subscribe({ error: () => undefined }));
    expect(await failureOf(remote.symbols())).toEqual(jasmine.objectContaining({ reason: 'too-many-calls' }));
    held[0]?.unsubscribe();
    expect(await all(remote.symbols())).toEqual(['ACME', 'ZOE']);
    const other = await exposing({}, { limits: { remoteCallsPerSecond: 2 } });
    const results = [1, 2, 3, 4].map(() => all(other.remote.symbols()).catch((error: unknown) => error));
    expect(await Promise.all(results)).toContain(jasmine.objectContaining({ reason: 'too-many-calls' }));
  });

  it('fails when the connection ends before it completes, on both sides', async () => {
    const { counts, counted$, none } = counting(concat(of(1), NEVER));
    const { remote, here, there } = await exposing({ prices: () => counted$ });
    const gone = none();
    const failures = [failureOf(remote.prices('')), failureOf(remote.prices(''))];
    await firstValueFrom(remote.prices(''));
    there.close();
    for (const failure of failures) expect(await failure).toBeInstanceOf(ClosedError);
    await gone;
    expect(counts.now).toBe(0);
    expect(await failureOf(here.remote<Market>('market').symbols())).toBeInstanceOf(ClosedError);
  });

  it('needs a secured connection, a name that is short, and one that is free', async () => {
    const { here, peer } = await lab.pair({ security: 'plain' });
    expect(() => here.remote('market')).toThrowError(UnavailableError);
    expect(() => peer.expose({}, { as: 'x'.repeat(201) })).toThrowError(InvalidOptionError, /at most 200 bytes/);
    peer.expose({}, { as: 'a' });
    expect(() => peer.expose({}, { as: 'a' })).toThrowError(InvalidOptionError, /nothing is exposed by yet/);
    expect(() => here.openChannel('rxp2p:remote:json:a')).toThrowError();
  });

  it('is neither exposed nor asked for with options that are misspelt', async () => {
    const { here, peer } = await lab.pair();
    const misspelt = { codec: 'json' as const, shemas: {} };
    expect(() => peer.expose({}, { as: 'b', ...misspelt })).toThrowError(InvalidOptionError, /made of as, .* `shemas`/);
    expect(() => here.remote('b', misspelt)).toThrowError(InvalidOptionError, /made of codec, schemas, got `shemas`/);
  });

  it('may be exposed before the net starts', async () => {
    const [net, peer] = [lab.net(), lab.net()];
    peer.expose<Market>(market(), { as: 'market' });
    const connection = await firstValueFrom(net.connect$(await firstValueFrom(peer.unl$)));
    expect(await all(connection.remote<Market>('market').symbols())).toEqual(['ACME', 'ZOE']);
  });

  it('has the types of what it is of', async () => {
    const { remote } = await exposing();
    const price$: Observable<number> = remote.prices('ACME');
    const receipt$: Observable<string> = remote.buy({ symbol: 'ACME', count: 1 });
    const tick$: Observable<number> = remote.ticks();
    // @ts-expect-error The symbol is a text.
    expect(remote.prices(7)).toBeInstanceOf(Observable);
    // @ts-expect-error There is no such method.
    expect(remote.sell).toBeDefined();
    const inputs: ObservableInput<unknown>[] = [price$, receipt$, tick$];
    expect(inputs.length).toBe(3);
  });

  it('waits for its turn where many are called at once, and all are answered', async () => {
    let [running, most] = [0, 0];
    const { remote } = await exposing({
      buy: async ({ count }) => {
        most = Math.max(most, ++running);
        await Promise.resolve();
        running--;
        return String(count);
      },
    });
    const receipts = from(Array.from({ length: 1_500 }, (_, count) => count)).pipe(
      mergeMap((count) => remote.buy({ symbol: 'ACME', count })),
    );
    expect((await all(receipts)).map(Number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 1_500 }, (_, count) => count),
    );
    expect(most).toBeLessThanOrEqual(512);
  });

  it('fails, typed, where more wait for their turn than may, or the connection ends meanwhile; and waits for nothing when it is unsubscribed from', async () => {
    const called: string[] = [];
    const { remote, here } = await exposing(
      {
        prices: (symbol) => {
          called.push(symbol);
          return concat(of(1), NEVER);
        },
      },
      { limits: { callsUnderWay: 2, waitingCalls: 2 } },
    );
    const running: Subscription[] = [];
    for (const symbol of ['first', 'second'])
      await new Promise((resolve) => running.push(remote.prices(symbol).subscribe({ next: resolve, error: fail })));
    const third = remote.prices('third').subscribe({ error: fail });
    const waiting = failureOf(remote.prices('fourth'));
    expect(await failureOf(remote.prices('fifth'))).toBeInstanceOf(TooManyChannelsError);
    third.unsubscribe();
    // There is room for one more, which is called after the fourth.
    const last = firstValueFrom(remote.prices('sixth'));
    for (const each of running) each.unsubscribe();
    expect(await last).toBe(1);
    expect(called).toEqual(['first', 'second', 'fourth', 'sixth']);
    const held = ['seventh', 'eighth'].map((symbol) => failureOf(remote.prices(symbol)));
    here.close();
    for (const failure of [waiting, ...held]) expect(await failure).toBeInstanceOf(ClosedError);
  });

  it('leaves room for channels of the application while many calls wait to be answered', async () => {
    const { remote, here, peer } = await exposing();
    lab.use(peer.channels$('chat').subscribe());
    const answers = Array.from({ length: 1_000 }, () => all(remote.symbols()));
    const chat = here.openChannel('chat');
    expect(chat.send('x')).toBeTrue();
    expect((await Promise.all(answers)).length).toBe(1_000);
  });

  it('tells why it was refused: no such name, too many channels, or a connection that closes', async () => {
    const { here, there, peer } = await lab.pair({}, { limits: { channels: 2 } });
    peer.expose<Market>(market({ prices: () => concat(of(1), NEVER) }), { as: 'market' });
    const remote = here.remote<Market>('market');
    const reasonOf = async (failure: Promise<unknown>) => {
      const error = await failure;
      return error instanceof RemoteRefusedError ? error.reason : error;
    };
    expect(await reasonOf(failureOf(here.remote<Market>('nothing').symbols()))).toBe('unknown-name');
    const running = [1, 2].map(() => remote.prices('').subscribe({ error: () => undefined }));
    expect(await reasonOf(failureOf(remote.symbols()))).toBe('too-many-channels');
    for (const each of running) each.unsubscribe();
    // The peer has closed the connection, and still waits for this side.
    const work = new Subject<void>();
    const busy = here.eachLine$(() => work).subscribe();
    there.send('a line');
    there.close();
    expect(await reasonOf(failureOf(remote.symbols()))).toBeInstanceOf(ClosedError);
    work.complete();
    busy.unsubscribe();
  });

  it('leaves out arguments at the end that are undefined, and a default takes their place', async () => {
    interface Adding {
      add(a?: number, b?: number): Observable<unknown>;
    }
    const { here, peer } = await lab.pair();
    const adding = { add: (...args: unknown[]) => of(args) };
    const defaults = { add: (a = 1, b = 2) => of(a + b) };
    for (const codec of ['json', 'messagepack'] as const) {
      peer.expose<Adding>(adding, { as: 'arguments', codec });
      peer.expose<Adding>(defaults, { as: 'defaults', codec });
      const args = here.remote<Adding>('arguments', { codec });
      const sums = here.remote<Adding>('defaults', { codec });
      expect(await all(args.add(undefined, undefined))).toEqual([[]]);
      expect(await all(args.add(1, undefined))).toEqual([[1]]);
      // In the middle of a list there is nothing that could be left out.
      expect(await all(args.add(undefined, 1))).toEqual([[null, 1]]);
      expect(await all(sums.add(5, undefined))).toEqual([7]);
    }
  });

  it('goes on while others begin and end, many at a time', async () => {
    const { remote } = await exposing({ prices: (symbol) => interval(1).pipe(map(() => symbol.length)) });
    const long = firstValueFrom(remote.prices('long').pipe(take(20), toArray()));
    const short = await Promise.all(Array.from({ length: 200 }, () => all(remote.symbols())));
    expect(short.every(({ length }) => length === 2)).toBeTrue();
    expect((await long).every((value) => value === 4)).toBeTrue();
  });
});
