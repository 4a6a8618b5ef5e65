import {
  concatMap,
  firstValueFrom,
  from,
  interval,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  Subject,
  take,
  toArray,
} from 'rxjs';
import {
  ClosedError,
  RemoteError,
  RemoteRefusedError,
  type Connection,
  type NetConfig,
  type StandardSchema,
} from '../../lib/index.js';
import { Cable } from '../support/cable.js';
import { failureOf, Lab } from '../support/nodes.js';

/** What a spec exposes, beside a method that is always well. */
interface Odd {
  run(...args: unknown[]): Observable<unknown>;
  ok(): Observable<string>;
}

describe('Remote Observables of an application with faults', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const all = <T>(values$: Observable<T>) => lastValueFrom(values$.pipe(toArray()));
  const exposing = async (run: (...args: unknown[]) => unknown, config: Partial<NetConfig> = {}) => {
    const pair = await lab.pair(config);
    const exposed = pair.peer.expose({ run, ok: () => of('ok') }, { as: 'odd' });
    return { ...pair, exposed, odd: pair.here.remote<Odd>('odd') };
  };

  it('go on when a source fails to clean up after it is unsubscribed from', async () => {
    const { odd } = await exposing(
      () =>
        new Observable(() => () => {
          throw new Error('no way to clean up');
        }),
    );
    const running = odd.run().subscribe({ error: fail });
    await firstValueFrom(odd.ok());
    running.unsubscribe();
    expect(await all(odd.ok())).toEqual(['ok']);
  });

  for (const closer of ['here', 'there'] as const) {
    it(`close in order from ${closer}, with what was emitted before, while an iterable and an Observable have no end`, async () => {
      const ticks = new Subject<number>();
      const { odd, here, there } = await exposing((what) =>
        what === 'ticks'
          ? ticks
          : (function* () {
              for (let i = 0; ; i++) yield i;
            })(),
      );
      const values: unknown[] = [];
      const ended = failureOf(odd.run('ticks').pipe(map((value) => values.push(value))));
      const endless = failureOf(odd.run('endless'));
      await firstValueFrom(odd.ok());
      ticks.next(1);
      const connections = { here, there };
      connections[closer].close();
      ticks.next(2);
      for (const { closed$ } of [here, there])
        expect(await firstValueFrom(closed$)).toEqual(jasmine.objectContaining({ code: 'closed' }));
      expect(await ended).toBeInstanceOf(ClosedError);
      expect(await endless).toBeInstanceOf(ClosedError);
      if (closer === 'there') expect(values).toEqual([1]);
      expect(ticks.observed).toBeFalse();
    });
  }

  it('may be withdrawn while the connection closes', async () => {
    const { odd, here, there, exposed } = await exposing(() => NEVER);
    const ended = failureOf(odd.run());
    await firstValueFrom(odd.ok());
    there.close();
    exposed.unsubscribe();
    expect(await ended).toBeInstanceOf(ClosedError);
    expect(await firstValueFrom(here.closed$)).toEqual(jasmine.objectContaining({ code: 'closed', by: 'peer' }));
  });

  it('fail where a method throws, or returns what no Observable can be made of', async () => {
    const { odd } = await exposing((what) => {
      if (what === 'throws') throw new RangeError('thrown');
      return what === 'text' ? 'text' : undefined;
    });
    expect(await failureOf(odd.run('throws'))).toEqual(new RemoteError('thrown', 'RangeError'));
    for (const what of ['text', 'nothing'])
      expect(await failureOf(odd.run(what))).toEqual(jasmine.objectContaining({ remoteName: 'TypeError' }));
  });

  it('are hot if the method returns a hot Observable, and emit nothing after they are unsubscribed from', async () => {
    const subject = new Subject<number>();
    const { odd } = await exposing(() => subject);
    const values: unknown[] = [];
    const running = odd.run().subscribe((value) => values.push(value));
    await firstValueFrom(odd.ok());
    subject.next(1);
    await firstValueFrom(odd.ok());
    running.unsubscribe();
    subject.next(2);
    await firstValueFrom(odd.ok());
    subject.next(3);
    expect([values, subject.observed]).toEqual([[1], false]);
  });

  it('call each other, within calls, both ways', async () => {
    const { here, there, net, peer } = await lab.pair();
    interface Countdown {
      from(n: number): Observable<number>;
    }
    const counting = (next: Connection): Countdown => ({
      from: (n) =>
        n === 0
          ? of(0)
          : next
              .remote<Countdown>('count')
              .from(n - 1)
              .pipe(map((value) => value + n)),
    });
    net.expose<Countdown>((connection: Connection) => counting(connection), { as: 'count' });
    peer.expose<Countdown>((connection: Connection) => counting(connection), { as: 'count' });
    expect(await all(here.remote<Countdown>('count').from(10))).toEqual([55]);
    expect(await all(there.remote<Countdown>('count').from(10))).toEqual([55]);
  });

  it('tell the refusal of a further node as a failure of the method, not as a refusal of this call', async () => {
    const { here, peer } = await lab.pair();
    interface Chain {
      run(): Observable<unknown>;
    }
    peer.expose<Chain>((connection: Connection) => ({ run: () => connection.remote<Chain>('nothing').run() }), {
      as: 'chain',
    });
    const error = await failureOf(here.remote<Chain>('chain').run());
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toEqual(jasmine.objectContaining({ remoteCode: 'REMOTE_REFUSED' }));
  });

  it('make an object for each connection and name, and a new one after it was withdrawn', async () => {
    const { here, peer } = await lab.pair();
    interface Number {
      get(): Observable<number>;
    }
    let made = 0;
    const make = () => {
      const number = ++made;
      return { get: () => of(number) };
    };
    const first = peer.expose<Number>(make, { as: 'first' });
    peer.expose<Number>(make, { as: 'second' });
    const numberOf = (name: string) => firstValueFrom(here.remote<Number>(name).get());
    expect([await numberOf('first'), await numberOf('second'), await numberOf('first')]).toEqual([1, 2, 1]);
    first.unsubscribe();
    peer.expose<Number>(make, { as: 'first' });
    expect(await numberOf('first')).toBe(3);
  });

  it('are checked by schemas that throw, that take their time, or that change what they check', async () => {
    const schemaOf = (validate: StandardSchema['~standard']['validate']): StandardSchema => ({
      '~standard': { version: 1, vendor: 'spec', validate },
    });
    const { here, peer } = await lab.pair();
    const args = schemaOf((value) => {
      if (!Array.isArray(value) || value[0] === 'throw') throw new RangeError('the schema throws');
      if (value[0] === 'reject') return Promise.reject(new RangeError('the schema rejects'));
      return Promise.resolve({ value: value.map((each: unknown, i) => (i === 0 ? 'changed' : each)) });
    });
    const odd: Odd = { run: (...values) => of(...values), ok: () => of('ok') };
    peer.expose<Odd>(odd, { as: 'odd', schemas: { run: { args } } });
    const harm = '\u001b[2J';
    const value = schemaOf((each) => {
      if (each === 'throw') throw new RangeError('the schema throws');
      return each === harm ? { issues: [{ message: `Expected no ${harm}` }] } : { value: `[${String(each)}]` };
    });
    const remote = here.remote<Odd>('odd', { schemas: { run: { value } } });
    expect(await all(remote.run('a', 'b', 'c'))).toEqual(['[changed]', '[b]', '[c]']);
    for (const first of ['throw', 'reject'])
      expect(await failureOf(remote.run(first))).toEqual(jasmine.objectContaining({ remoteName: 'RangeError' }));
    expect(await failureOf(remote.run('a', 'throw'))).toBeInstanceOf(RangeError);
    const error = await failureOf(remote.run('a', harm));
    expect(error).toBeInstanceOf(RemoteRefusedError);
    expect(String(error)).toContain('Expected no  [2J');
  });

  it('may be exposed and withdrawn after the net is closed, without effect', async () => {
    const { peer } = await lab.pair();
    await peer.close();
    const exposed = peer.expose({ run: () => NEVER }, { as: 'odd' });
    exposed.unsubscribe();
    expect(exposed.closed).toBeTrue();
  });
});

describe('Remote Observables over links that come and go', () => {
  const lab = new Lab();
  let cable: Cable;
  beforeEach(() => {
    cable = new Cable();
  });
  afterEach(async () => {
    await lab.close();
    cable.close();
  });

  it('bring each value once and in order, of every kind of source, however often the link is cut', async () => {
    const config = { timing: { survivalMs: 60_000 } };
    const [net, peer] = [lab.net(config, cable.runtime), lab.net(config, cable.runtime)];
    interface Sources {
      numbers(count: number): Iterable<string>;
      ticks(): Observable<number>;
      add(a: number, b: number): Promise<number>;
    }
    peer.expose<Sources>(
      {
        *numbers(count) {
          for (let i = 0; i < count; i++) yield `${i} ${'x'.repeat(200)}`;
        },
        ticks: () => interval(1),
        add: (a, b) => Promise.resolve(a + b),
      },
      { as: 'sources' },
    );
    const connection = await firstValueFrom(net.connect$(await firstValueFrom(peer.unl$)));
    const remote = connection.remote<Sources>('sources');
    cable.wear = [200_000, 5_000, 100_000, 400_000];
    cable.cut();
    const numbers = lastValueFrom(remote.numbers(10_000).pipe(map(Number.parseFloat), toArray()));
    const ticks = lastValueFrom(remote.ticks().pipe(take(100), toArray()));
    const sums = lastValueFrom(
      from(Array.from({ length: 200 }, (_, i) => i)).pipe(
        mergeMap((i) => remote.add(i, i).pipe(concatMap((sum) => (sum === 2 * i ? of(sum) : NEVER))), 20),
        toArray(),
      ),
    );
    expect(await numbers).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
    expect(await ticks).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect((await sums).length).toBe(200);
    expect(cable.made).toBeGreaterThan(3);
  });
});
