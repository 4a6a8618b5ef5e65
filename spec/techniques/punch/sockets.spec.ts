import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import fc from 'fast-check';
import {
  asyncScheduler,
  finalize,
  firstValueFrom,
  map,
  merge,
  NEVER,
  of,
  take,
  takeLast,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { DialError, ListenError } from '../../../lib/errors.js';
import { punch$, type PunchConfig, type PunchReport } from '../../../lib/techniques/punch/sockets.js';
import { dial$, listen$, type DialConfig, type ListenConfig, type Listener } from '../../../lib/link/tcp.js';
import type { PunchPlan } from '../../../lib/techniques/punch/plan.js';
import { BIRTHDAY_SOCKETS } from '../../../lib/techniques/punch/birthday.js';
import { marbles } from '../../support/marbles.js';
import { record } from '../../support/record.js';
import { freePort } from '../../support/free-port.js';

const PEER = '203.0.113.9';

function planOf(fields: Partial<PunchPlan> = {}): PunchPlan {
  return {
    address: PEER,
    syns: [{ atMs: 0, localPort: 4000, remotePort: 7000 }],
    listenPort: undefined,
    maxSyns: 64,
    deadlineMs: 1000,
    ...fields,
  };
}

function refusal(code = 'ECONNREFUSED'): DialError {
  return new DialError(`it met ${code}`, { cause: Object.assign(new Error(code), { code }) });
}

/** What a punch does in a world that a spec makes. Listening fails unless a spec says otherwise. */
function worldOf(world: Partial<PunchConfig>): PunchConfig {
  return {
    dial$: () => NEVER,
    listen$: () => throwError(() => new ListenError('not here')),
    scheduler: asyncScheduler,
    random: () => 0,
    ...world,
  };
}

/** A socket that came from an address. */
function socketFrom(remoteAddress: string): Socket {
  return Object.defineProperties(new Socket(), {
    remoteAddress: { value: remoteAddress },
    remotePort: { value: 7000 },
  });
}

describe('punch$', () => {
  it('gives a SYN up that has not opened in the time that the plan gives it, and keeps what has', () => {
    marbles(({ scheduler, cold, expectObservable, flush }) => {
      const opened = new Socket();
      let silentUntil: number | undefined;
      const silent$ = NEVER.pipe(finalize(() => (silentUntil = scheduler.now())));
      const world = worldOf({
        scheduler,
        dial$: ({ port }) => (port === 7000 ? silent$ : cold('---(s|)', { s: opened })),
      });
      const syns = [7000, 7001].map((remotePort) => ({ atMs: 0, localPort: 4000, remotePort }));
      expectObservable(punch$(planOf({ syns, synMs: 100 }), world)).toBe('---s 96ms |', { s: opened });
      flush();
      expect(silentUntil).toBe(100);
      expect(opened.destroyed).toBeFalse();
    });
  });

  it('sends each SYN when its time has come, from where and to where the plan says, and emits what opens', () => {
    marbles(({ scheduler, cold, expectObservable, flush }) => {
      const [a, b] = [new Socket(), new Socket()];
      const dialled: (DialConfig & { readonly at: number })[] = [];
      const world = worldOf({
        scheduler,
        localAddress: '192.168.1.2',
        dial$: (config) => {
          dialled.push({ ...config, at: scheduler.now() });
          return cold('---(s|)', { s: dialled.length === 1 ? a : b });
        },
      });
      const plan = planOf({
        syns: [
          { atMs: 0, localPort: 4000, remotePort: 7000 },
          { atMs: 2, localPort: undefined, remotePort: 7001 },
        ],
      });
      expectObservable(punch$(plan, world)).toBe('---a-(b|)', { a, b });
      flush();
      expect(dialled).toEqual([
        { host: PEER, port: 7000, localAddress: '192.168.1.2', localPort: 4000, at: 0 },
        { host: PEER, port: 7001, localAddress: '192.168.1.2', localPort: undefined, at: 2 },
      ]);
    });
  });

  it('sends a refused SYN again from the same port after 5 to 25 ms, by chance', () => {
    for (const [random, pause] of [
      [0, 5],
      [0.5, 15],
    ] as const) {
      marbles(({ scheduler, cold, expectObservable, flush }) => {
        const socket = new Socket();
        const times: number[] = [];
        const answers = [refusal(), refusal('ECONNRESET'), refusal('EHOSTUNREACH')];
        const world = worldOf({
          scheduler,
          random: () => random,
          dial$: ({ localPort }) => {
            expect(localPort).toBe(4000);
            const error = answers[times.length];
            times.push(scheduler.now());
            return error === undefined ? of(socket) : cold('--#', {}, error);
          },
        });
        const opened = 3 * (2 + pause);
        expectObservable(punch$(planOf(), world)).toBe(`${opened}ms (s|)`, { s: socket });
        flush();
        expect(times).toEqual([0, 1, 2, 3].map((tries) => tries * (2 + pause)));
      });
    }
  });

  it('keeps a SYN that is only slow until the deadline, and then closes it', () => {
    marbles(({ scheduler, cold, expectObservable, expectSubscriptions }) => {
      const slow = cold<Socket>('-');
      const world = worldOf({ scheduler, dial$: () => slow });
      expectObservable(punch$(planOf(), world)).toBe(
        '1s #',
        undefined,
        new DialError(`${PEER} did not open a connection within 1000 ms: 1 SYN, 0 refused`),
      );
      expectSubscriptions(slow.subscriptions).toBe('^ 999ms !');
    });
  });

  it('goes on with the others when one cannot be sent, and says why when none could', () => {
    marbles(({ scheduler, cold, expectObservable }) => {
      const syns = [1, 2].map((port) => ({ atMs: 0, localPort: port, remotePort: 7000 }));
      const taken = new DialError('the port is taken', { cause: Object.assign(new Error(), { code: 'EADDRINUSE' }) });
      const socket = new Socket();
      const half = worldOf({
        scheduler,
        dial$: ({ localPort }) => (localPort === 1 ? cold('#', {}, taken) : of(socket)),
      });
      expectObservable(punch$(planOf({ syns }), half)).toBe('(s|)', { s: socket });
      expectObservable(punch$(planOf({ syns }), worldOf({ scheduler, dial$: () => throwError(() => taken) }))).toBe(
        '#',
        undefined,
        new DialError(`${PEER} did not open a connection within 1000 ms: 2 SYNs, 0 refused; the port is taken`),
      );
    });
  });

  it('closes at once what has not opened when it is unsubscribed from, and sends nothing more', () => {
    marbles(({ scheduler, cold, expectObservable, expectSubscriptions, flush }) => {
      const slow = cold<Socket>('-');
      const syns = [0, 2, 7].map((atMs) => ({ atMs, localPort: 4000, remotePort: 7000 + atMs }));
      const reports: PunchReport[] = [];
      const world = worldOf({ scheduler, dial$: () => slow, tell: (report) => reports.push(report) });
      expectObservable(punch$(planOf({ syns }), world), '^----!').toBe('-');
      expectSubscriptions(slow.subscriptions).toBe(['^----!', '--^--!']);
      flush();
      expect(reports).toEqual([{ sent: 2, refused: 0, opened: 0, accepted: 0, elapsedMs: 5, reasons: [] }]);
    });
  });

  it('reports before its subscriber hears that it has failed, or is at its end', () => {
    marbles(({ scheduler, flush }) => {
      const events: string[] = [];
      const world = (dial: () => Observable<Socket>) =>
        worldOf({ scheduler, dial$: dial, tell: ({ opened }) => events.push(`over, ${opened} opened`) });
      const opened$ = timer(3, scheduler).pipe(map(() => new Socket()));
      punch$(
        planOf(),
        world(() => opened$),
      ).subscribe({ complete: () => events.push('complete') });
      punch$(
        planOf(),
        world(() => NEVER),
      ).subscribe({ error: () => events.push('failed') });
      flush();
      expect(events).toEqual(['over, 1 opened', 'complete', 'over, 0 opened', 'failed']);
    });
  });

  it('sends nothing more while a socket is open, and goes on when the caller has closed it', () => {
    marbles(({ scheduler, cold, flush }) => {
      const socket = new Socket();
      const times: (readonly [port: number, at: number])[] = [];
      const answers = [cold<Socket>('-#', {}, refusal()), cold('---(s|)', { s: socket })];
      const world = worldOf({
        scheduler,
        dial$: ({ port }) => {
          times.push([port, scheduler.now()]);
          return answers[times.length - 1] ?? NEVER;
        },
      });
      const syns = [0, 1, 5, 40].map((atMs) => ({ atMs, localPort: 4000, remotePort: 7000 + atMs }));
      const punching = record(punch$(planOf({ syns }), world));
      scheduler.schedule(() => {
        expect(punching.values).toEqual([socket]);
        socket.emit('close');
      }, 30);
      flush();
      expect(times)
        .withContext('the one to be sent again waits, the rest of the plan is put off by as much')
        .toEqual([
          [7000, 0],
          [7001, 1],
          [7005, 30],
          [7000, 30],
          [7040, 65],
        ]);
    });
  });

  it('is delayed by sockets of strangers for a second in total at most', () => {
    marbles(({ scheduler, flush }) => {
      const local = { address: '0.0.0.0', port: 4000 };
      const [first, second] = [socketFrom(PEER), socketFrom(PEER)];
      const came = (socket: Socket, ms: number) => timer(ms, scheduler).pipe(map(() => socket));
      const world = worldOf({
        scheduler,
        dial$: ({ port }) => {
          times.push([port, scheduler.now()]);
          return NEVER;
        },
        listen$: () => of({ local, socket$: merge(came(first, 5), came(second, 600)) }),
      });
      const times: (readonly [port: number, at: number])[] = [];
      const syns = [0, 100, 700].map((atMs, i) => ({
        atMs,
        localPort: i === 0 ? 4000 : undefined,
        remotePort: 7000 + i,
      }));
      record(punch$(planOf({ syns, listenPort: 4000, deadlineMs: 5_000 }), world));
      flush();
      expect(times).toEqual([
        [7000, 0],
        [7001, 1010],
        [7002, 1610],
      ]);
    });
  });

  it('begins anew with each subscription', () => {
    marbles(({ scheduler, cold, expectObservable }) => {
      const socket = new Socket();
      const punched$ = punch$(
        planOf({ maxSyns: 1 }),
        worldOf({ scheduler, dial$: () => cold('-(s|)', { s: socket }) }),
      );
      expectObservable(punched$).toBe('-(s|)', { s: socket });
      expectObservable(punched$, '---^').toBe('----(s|)', { s: socket });
    });
  });

  describe('while no SYN leaves', () => {
    const plan = planOf({ listenPort: 4000 });

    it('listens on the port of the mapping, and ends that before a SYN leaves from it', () => {
      marbles(({ scheduler, cold, expectObservable, expectSubscriptions, flush }) => {
        const listening = cold<Listener>('-');
        const listened: ListenConfig[] = [];
        const world = worldOf({
          scheduler,
          dial$: () => cold('40ms #', {}, refusal()),
          listen$: (config) => {
            listened.push(config);
            return listening;
          },
        });
        expectObservable(punch$(plan, world), '^ 89ms !').toBe('-');
        expectSubscriptions(listening.subscriptions).toBe(['5ms ^ 39ms !', '50ms ^ 39ms !']);
        flush();
        expect(listened).toEqual(Array.from({ length: 2 }, () => ({ address: '0.0.0.0', port: 4000 })));
      });
    });

    it('takes in the peer, and nobody else', () => {
      marbles(({ scheduler, cold, expectObservable, flush }) => {
        const [peer, stranger] = [socketFrom(`::ffff:${PEER}`), socketFrom('203.0.113.10')];
        const local = { address: '0.0.0.0', port: 4000 };
        const listener = (): Listener => ({ local, socket$: cold('--x-p', { x: stranger, p: peer }) });
        const world = worldOf({ scheduler, listen$: () => of(listener()) });
        expectObservable(punch$(plan, world)).toBe('9ms p 990ms |', { p: peer });
        flush();
        expect([peer.destroyed, stranger.destroyed]).toEqual([false, true]);
      });
    });

    it('takes in no more than a birthday plan brings', () => {
      marbles(({ scheduler, expectObservable, flush }) => {
        const came = Array.from({ length: BIRTHDAY_SOCKETS + 5 }, () => socketFrom(PEER));
        const local = { address: '0.0.0.0', port: 4000 };
        const world = worldOf({ scheduler, listen$: () => of({ local, socket$: of(...came) }) });
        const counted$ = punch$(plan, world).pipe(
          map((_, i) => i),
          takeLast(1),
        );
        expectObservable(counted$).toBe('1s (n|)', { n: BIRTHDAY_SOCKETS - 1 });
        flush();
        expect(came.filter(({ destroyed }) => destroyed)).toHaveSize(5);
      });
    });

    it('goes on without listening when that fails', () => {
      marbles(({ scheduler, cold, expectObservable }) => {
        const socket = new Socket();
        const world = worldOf({ scheduler, dial$: () => cold('50ms (s|)', { s: socket }) });
        expectObservable(punch$(plan, world)).toBe('50ms (s|)', { s: socket });
      });
    });
  });

  it('never dials another address, nor more often than the plan allows, whatever the peer does', () => {
    const answers = fc.array(fc.constantFrom('refused', 'opened', 'slow', 'broken', 'let in'), {
      minLength: 1,
      maxLength: 20,
    });
    const plans = fc.record({
      count: fc.integer({ min: 1, max: 12 }),
      maxSyns: fc.integer({ min: 0, max: 50 }),
      isListening: fc.boolean(),
    });
    fc.assert(
      fc.property(plans, answers, ({ count, maxSyns, isListening }, whatComes) => {
        marbles(({ scheduler, flush, cold }) => {
          const hosts: string[] = [];
          const world = worldOf({
            scheduler,
            dial$: ({ host }) => {
              const answer = whatComes[hosts.length % whatComes.length];
              hosts.push(host);
              if (answer === 'opened') return of(socketFrom('198.51.100.1'));
              if (answer === 'slow') return NEVER;
              return cold('-#', {}, answer === 'broken' ? new Error('broken') : refusal());
            },
            listen$: () => of({ local: { address: '0.0.0.0', port: 4000 }, socket$: of(socketFrom(PEER)) }),
          });
          const syns = Array.from({ length: count }, (_, i) => ({ atMs: i, localPort: 4000, remotePort: 7000 + i }));
          const plan = planOf({ syns, maxSyns, listenPort: isListening ? 4000 : undefined });
          record(punch$(plan, world));
          flush();
          throwUnless(hosts.every((host) => host === PEER)).toBeTrue();
          throwUnless(hosts.length).toBeLessThanOrEqual(maxSyns);
        });
      }),
    );
  });
});

describe('punch$ on real sockets', () => {
  const here = (localPort: number, remotePort: number): PunchPlan =>
    planOf({
      address: '127.0.0.1',
      syns: [{ atMs: 0, localPort, remotePort }],
      listenPort: localPort,
      maxSyns: 4096,
      deadlineMs: 20_000,
    });
  const config = { dial$, listen$, scheduler: asyncScheduler, random: Math.random };

  it('opens to a peer that listens, from the port that was planned', async () => {
    const localPort = await freePort();
    const server = createServer((socket) => socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const socket = await firstValueFrom(punch$(here(localPort, port), config));
    expect([socket.localPort, socket.remotePort]).toEqual([localPort, port]);
    socket.destroy();
    await once(server.close(), 'close');
  });

  it('two nodes meet, one let in by listening between two tries, and nothing of theirs is left open', async () => {
    const [one, other] = [await freePort(), await freePort()];
    const local = { ...config, localAddress: '127.0.0.1' };
    const reports: PunchReport[] = [];
    const punching = (from: number, to: number) =>
      punch$(here(from, to), { ...local, tell: (report) => reports.push(report) }).pipe(take(1));
    const [a, b] = await Promise.all([firstValueFrom(punching(one, other)), firstValueFrom(punching(other, one))]);
    expect([a.localPort, a.remotePort]).toEqual([b.remotePort, b.localPort]);
    expect(reports.reduce((sum, { refused }) => sum + refused, 0)).toBeGreaterThan(0);
    expect(reports.reduce((sum, { opened, accepted }) => sum + opened + accepted, 0)).toBe(2);
    a.destroy();
    b.destroy();
  });
});
