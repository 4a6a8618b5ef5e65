import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import {
  BehaviorSubject,
  defer,
  filter,
  firstValueFrom,
  map,
  NEVER,
  noop,
  ReplaySubject,
  skipWhile,
  Subject,
  take,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { DialError, RendezvousError } from '../../lib/errors.js';
import { createIdentity, parseUnl, type Net, type NetStatus } from '../../lib/index.js';
import { sessions$, type ServerState } from '../../lib/rendezvous/client.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { session$ } from '../../lib/rendezvous/session.js';
import type { RendezvousAddress } from '../../lib/rendezvous-name.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { memoryStore } from '../../servers/store/memory.js';
import { settled, VirtualClock } from '../connection/virtual-links.js';
import { marbles } from '../support/marbles.js';
import { addressOf, Lab, newAddress } from '../support/nodes.js';
import { freePort } from '../support/free-port.js';

/** The silent server costs this long, and a busy machine's answers must come within it. */
const PATIENT_MS = 5000;

describe('A net with rendezvous servers', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const connected = (net: Net, index = 0) =>
    firstValueFrom(net.status$.pipe(filter(({ servers }) => servers[index]?.connected === true)));

  const failure$ = (net: Net, index = 0): Observable<string> =>
    net.status$.pipe(
      map(({ servers }: NetStatus) => servers[index]?.failure),
      filter((failure) => failure !== undefined),
    );

  /** A server that does to each connection what it is told. */
  async function badServer(onConnection: (socket: Socket) => void): Promise<string> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      onConnection(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return `127.0.0.1:${addressOf(server).port}`;
  }

  /** An address at which nothing listens. */
  async function noServer(): Promise<string> {
    return `127.0.0.1:${await freePort()}`;
  }

  it('learns where they see it, and puts that and them into its locator', async () => {
    const server = await lab.server();
    const bind = newAddress();
    const net = lab.net({ bind, rendezvous: [server.address] });
    const unl = parseUnl(await firstValueFrom(net.unl$));
    if (unl.version !== 3) throw new Error('Expected version 3');
    expect(unl.endpoints.map(({ kind, address }) => [kind, address])).toEqual([
      ['lan', bind],
      ['wan', bind],
    ]);
    expect(unl.nodeType).toBe('passive');
    expect(unl.natType).toEqual({ type: 'open' });
    expect(unl.rendezvous).toEqual([{ host: '127.0.0.1', port: server.local.port }]);
    const { servers } = await firstValueFrom(net.status$);
    expect(servers[0]?.observed?.address).toBe(bind);
  });

  it('is told which server it is at, by an id that is the same under any name of it', async () => {
    const { local } = await lab.server({ httpPort: 8080 });
    const other = await lab.server();
    const sessionAt = (host: string, port: number) => {
      const config = {
        identity: createIdentity(),
        bind: undefined,
        dialect: OUR_DIALECT,
        runtime: systemRuntime,
        timing: DEFAULT_TIMING,
        network$: NEVER,
      } as const;
      return firstValueFrom(session$({ host, port }, config));
    };
    const [here, there] = [await sessionAt('127.0.0.1', local.port), await sessionAt('localhost', local.port)];
    expect([here.httpPort, there.httpPort]).toEqual([8080, 8080]);
    expect([here.remote, there.remote]).toEqual([
      { address: '127.0.0.1', port: local.port },
      { address: '127.0.0.1', port: local.port },
    ]);
    expect(here.serverId).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(there.serverId).toBe(here.serverId);
    const without = await sessionAt('127.0.0.1', other.local.port);
    expect([without.httpPort, without.serverId]).toEqual([undefined, undefined]);
  });

  it('works without servers that are down, silent, or send garbage', async () => {
    const good = await lab.server();
    const net = lab.net({
      timing: { handshakeMs: PATIENT_MS, gatherMs: 60_000 },
      rendezvous: [
        await noServer(),
        await badServer((socket) => socket.resume()),
        await badServer((socket) => socket.write('220 mail.example.org ESMTP\r\n')),
        await badServer((socket) => socket.end()),
        good.address,
      ],
    });
    // All have been tried before the first locator is told.
    const unl = parseUnl(await firstValueFrom(net.unl$));
    expect(unl.version === 3 && unl.endpoints.length).toBe(2);
    const { servers } = await firstValueFrom(net.status$);
    expect(servers.map((server) => server.connected)).toEqual([false, false, false, false, true]);
    expect(servers[0]?.failure).toContain('ECONNREFUSED');
    expect(servers[1]?.failure).toContain('then said nothing');
    expect(servers[2]?.failure).toContain('which is no reply');
    expect(servers[3]?.failure).toContain('went away');
  });

  it('does not wait for them longer than it was told', async () => {
    const net = lab.net({
      timing: { gatherMs: 50, handshakeMs: 60_000 },
      rendezvous: [await badServer((socket) => socket.resume())],
    });
    const unl = parseUnl(await firstValueFrom(net.unl$));
    expect(unl.version === 3 && unl.endpoints.map(({ kind }) => kind)).toEqual(['lan']);
  });

  it('improves its locator when one that was down comes up', async () => {
    const first = await lab.server();
    const { port } = first.local;
    first.stop();
    const net = lab.net({ rendezvous: [`127.0.0.1:${port}`] });
    const kinds$ = net.unl$.pipe(
      map((text) => {
        const unl = parseUnl(text);
        return unl.version === 3 ? unl.endpoints.map(({ kind }) => kind) : [];
      }),
    );
    expect(await firstValueFrom(kinds$)).toEqual(['lan']);
    const improved = firstValueFrom(kinds$.pipe(skipWhile((kinds) => kinds.length < 2)));
    await lab.server({ port });
    expect(await improved).toEqual(['lan', 'wan']);
  });

  it('is registered again when a server was restarted, and no connection notices', async () => {
    const server = await lab.server();
    const { port } = server.local;
    const { here, there, net } = await lab.pair({ rendezvous: [server.address] }, {});
    await connected(net);
    const lost = firstValueFrom(failure$(net));
    server.stop();
    expect(await lost).toContain('went away');
    const back = firstValueFrom(
      net.status$.pipe(
        filter(({ servers }) => servers[0]?.connected === true),
        take(1),
      ),
    );
    await lab.server({ port });
    await back;
    const heard = firstValueFrom(there.lines$);
    here.send('what happened?');
    expect(await heard).toBe('what happened?');
  });

  it('pauses for less than a second between two tries, however long a server is down', async () => {
    const net = lab.net({ rendezvous: [await noServer()] });
    const tries = firstValueFrom(
      net.trace$.pipe(
        filter((step) => step.type === 'rendezvous'),
        filter((_step, index) => index === 5),
      ),
    );
    await net.start();
    const sixth = await tries;
    expect(sixth.reason).toContain('ECONNREFUSED');
  });

  it('survives a server that dies in the middle of a line', async () => {
    const server = await badServer((socket) => {
      socket.once('data', () => socket.end('NONCE AAAA'));
    });
    const net = lab.net({ rendezvous: [server] });
    void net.start();
    expect(await firstValueFrom(failure$(net))).toMatch(/no reply|went away/);
    expect(parseUnl(await firstValueFrom(net.unl$)).version).toBe(3);
  });

  it('limits the line of a server that floods it', async () => {
    const server = await badServer((socket) => socket.write('x'.repeat(1_000_000)));
    const net = lab.net({ rendezvous: [server] });
    void net.start();
    expect(await firstValueFrom(failure$(net))).toContain('at most 65536 bytes');
  });
});

describe('A session with a server that is being stopped', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A node at a server that has no room, which counts how often it comes, and at one that will be stopped. */
  async function node(refusal: string) {
    const clock = new VirtualClock();
    const arrived = new BehaviorSubject(0);
    const full = createServer((socket) => {
      socket.on('error', noop).end(`REFUSED ${refusal} not now\r\n`);
      arrived.next(arrived.value + 1);
    }).listen(0, '127.0.0.1');
    await once(full, 'listening');
    lab.onClose(() => full.close());
    const stop = new Subject<void>();
    const { local } = await lab.server({ drain$: stop });
    const config = {
      identity: createIdentity(),
      bind: undefined,
      dialect: OUR_DIALECT,
      runtime: { ...systemRuntime, scheduler: clock },
      timing: DEFAULT_TIMING,
      network$: NEVER,
    } as const;
    const places = [addressOf(full), local].map(({ address, port }) => ({ host: address, port }));
    const states$ = new ReplaySubject<readonly ServerState[]>(1);
    lab.use(sessions$(places, config, () => undefined).subscribe(states$));
    const until = (is: (states: readonly ServerState[]) => boolean) => firstValueFrom(states$.pipe(filter(is)));
    await until(([first, second]) => first?.failure !== undefined && second?.session !== undefined);
    return { clock, arrived, stop, until };
  }

  const isAway = ([, second]: readonly ServerState[]) => second?.failure?.includes('being stopped') === true;

  it('is soon one with another server that had no room before', async () => {
    const { clock, arrived, stop, until } = await node('too-many-connections');
    clock.pass(6_000);
    expect(arrived.value).toBe(1);
    stop.next();
    await until(isAway);
    clock.pass(DEFAULT_TIMING.reconnectMs);
    await firstValueFrom(arrived.pipe(filter((count) => count === 2)));
  });

  it('leads nowhere else when it was a short one, or the other server has another session with the key', async () => {
    for (const [refusal, ms] of [
      ['too-many-connections', 1_000],
      ['replaced', 6_000],
    ] as const) {
      const { clock, arrived, stop, until } = await node(refusal);
      clock.pass(ms);
      stop.next();
      await until(isAway);
      clock.pass(DEFAULT_TIMING.reconnectMs);
      await settled();
      expect(arrived.value).withContext(refusal).toBe(1);
    }
  });
});

describe('Servers that are one for their nodes', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** A node that knows servers by these names, and the connections that it has opened. */
  function nodeAt(places: readonly RendezvousAddress[]) {
    const clock = new VirtualClock();
    const dialled: { readonly host: string; readonly port: number; readonly socket: Socket }[] = [];
    const dial$: Runtime['dial$'] = (to) =>
      systemRuntime.dial$(to).pipe(tap((socket) => dialled.push({ host: to.host, port: to.port, socket })));
    const config = {
      identity: createIdentity(),
      bind: undefined,
      dialect: OUR_DIALECT,
      runtime: { ...systemRuntime, scheduler: clock, dial$ },
      timing: DEFAULT_TIMING,
      network$: NEVER,
    } as const;
    const states$ = new ReplaySubject<readonly ServerState[]>(1);
    lab.use(sessions$(places, config, () => undefined).subscribe(states$));
    const until = (is: (states: readonly ServerState[]) => boolean) => firstValueFrom(states$.pipe(filter(is)));
    return { clock, dialled, until };
  }

  const openIn = (states: readonly ServerState[]) => states.flatMap(({ session }) => session ?? []);

  const isSettled = (states: readonly ServerState[]) =>
    openIn(states).length === 1 &&
    states.every(
      ({ session, failure }) => session !== undefined || failure?.includes('is the same server as') === true,
    );

  for (const [what, open] of [
    [
      'by two names',
      async () => {
        const { port } = (await lab.server()).local;
        return ['127.0.0.1', 'localhost'].map((host) => ({ host, port }));
      },
    ],
    [
      'by a store that they share',
      async () => {
        const store = memoryStore({ maxEntries: 10, now: Date.now, random: Math.random });
        const servers = [await lab.server({ store }), await lab.server({ store })];
        return servers.map(({ local: { address, port } }) => ({ host: address, port }));
      },
    ],
  ] as const) {
    it(`${what} have one session with a node, and it has no other while that lasts`, async () => {
      const { clock, dialled, until } = nodeAt(await open());
      const [session] = openIn(await until(isSettled));
      if (session === undefined) throw new Error('Expected a session');
      for (let turn = 0; turn < 6; turn++) {
        clock.pass(15_000);
        // An answer, too, puts off the look whether the server is there.
        expect(await firstValueFrom(session.send$(createIdentity().peerId, Buffer.from('hello')))).toBeFalse();
      }
      expect(dialled.length).toBe(2);
      const { host, port } = session.server;
      dialled.find((each) => each.host === host && each.port === port)?.socket.destroy();
      await until((states) => openIn(states).length === 0);
      clock.pass(DEFAULT_TIMING.reconnectMs);
      // Both are dialled, and then it is settled again.
      await until((states) => dialled.length === 4 && isSettled(states));
    });
  }
});

describe('A session that cannot be opened', () => {
  /** When it is tried, in milliseconds. */
  function triesOf(network: string, refusal?: string): readonly number[] {
    const tries: number[] = [];
    marbles(({ hot, expectObservable, scheduler }) => {
      const error = refusal === undefined ? new DialError('down') : new RendezvousError('no', refusal);
      const runtime = {
        ...systemRuntime,
        scheduler,
        random: () => 1,
        dial$: () =>
          defer(() => {
            tries.push(scheduler.now());
            return throwError(() => error);
          }),
      };
      const config = {
        identity: createIdentity(),
        bind: undefined,
        dialect: OUR_DIALECT,
        runtime,
        timing: { ...DEFAULT_TIMING, reconnectMs: 400, reconnectMaxMs: 400 },
        network$: hot(network, {
          l: { interfaces: {}, failure: undefined, routed: [], hasChanged: false },
          c: { interfaces: {}, failure: undefined, routed: [], hasChanged: true },
        }),
      };
      expectObservable(
        sessions$([{ host: 'rv.example.org', port: 8000 }], config, () => undefined),
        '^ 900ms !',
      );
      scheduler.flush();
    });
    return tries;
  }

  it('is tried again after a pause, and at once when the network of this machine has changed', () => {
    expect(triesOf('--l')).toEqual([0, 400, 800]);
    expect(triesOf('--c')).toEqual([0, 2, 402, 802]);
  });

  it('waits out the pause after a refusal all the same', () => {
    expect(triesOf('--c', 'full')).toEqual([0]);
  });
});
