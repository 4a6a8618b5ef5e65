import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { firstValueFrom, Subscription } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import type { Endpoint, ServerAddress } from '../../lib/endpoint.js';
import { DialError, RendezvousError } from '../../lib/errors.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { observe$, type Observation } from '../../lib/rendezvous/observe.js';
import { sample$, untilEnough } from '../../lib/rendezvous/sample.js';
import { systemRuntime } from '../../lib/runtime.js';
import { reachabilityServer$ } from '../../servers/index.js';
import { serveAll } from '../support/servers.js';
import { marbles } from '../support/marbles.js';
import { addressOf, failureOf, Lab, newAddress } from '../support/nodes.js';

describe('observing where servers see this node', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** `bind` is an address of its own: at 127.0.0.1 the system may have lent the fixed port below to another connection. */
  const configAt = (bind: string) => ({
    bind,
    runtime: systemRuntime,
    dialect: OUR_DIALECT,
    timing: DEFAULT_TIMING,
  });

  async function server(): Promise<ServerAddress> {
    const { local } = await lab.server();
    return { host: local.address, port: local.port };
  }

  async function badServer(onConnection: (socket: Socket) => void): Promise<ServerAddress> {
    const bad = createServer((socket) => {
      socket.on('error', () => undefined);
      onConnection(socket);
    }).listen(0, '127.0.0.1');
    await once(bad, 'listening');
    lab.onClose(() => bad.close());
    return { host: '127.0.0.1', port: addressOf(bad).port };
  }

  it('tells the endpoint behind a local port, and how far the server is', async () => {
    const [bind, { host, port }] = [newAddress(), await server()];
    const observation = await firstValueFrom(observe$({ host, port }, 41_000, configAt(bind)));
    expect(observation).toEqual({
      localPort: 41_000,
      server: { address: host, port },
      observer: { host, port },
      observed: { address: bind, port: 41_000 },
      roundTripMs: jasmine.any(Number),
    });
    expect(observation.roundTripMs).toBeGreaterThan(0);
  });

  it('is told by HTTP services, too, over a connection that is held', async () => {
    const local = await new Promise<Endpoint>((resolve, reject) => {
      const server$ = reachabilityServer$({ bind: '127.0.0.1', port: 0 });
      lab.use(
        server$.subscribe({
          next: (server) => {
            resolve(server.local);
          },
          error: reject,
        }),
      );
    });
    const observer = { host: local.address, port: local.port, path: '/address' };
    const bind = newAddress();
    const observation = await firstValueFrom(observe$(observer, 41_001, configAt(bind)));
    expect(observation).toEqual(
      jasmine.objectContaining({ server: local, observer, observed: { address: bind, port: 41_001 } }),
    );
    const failure = failureOf(observe$({ ...observer, path: '/elsewhere' }, 41_002, configAt(newAddress())));
    expect(await failure).toBeInstanceOf(RendezvousError);
  });

  it('is left out at once where a proxy before the server does not tell it the port', async () => {
    const bind = newAddress();
    const { http, rendezvous } = await serveAll(lab, { trustProxy: [bind] });
    for (const [{ address: host, port }, path] of [
      [http, '/address'],
      [rendezvous, undefined],
    ] as const) {
      const failure = failureOf(observe$({ host, port, path }, 41_010, configAt(bind)));
      expect(await failure).toEqual(
        jasmine.objectContaining({ message: jasmine.stringMatching(/proxy before the server/) }),
      );
    }
  });

  it('holds the connection until it is unsubscribed from', async () => {
    const closed: Promise<unknown>[] = [];
    const holding = await badServer((socket) => {
      socket.write(`NONCE ${'A'.repeat(43)} 192.0.2.1:5000\r\n`);
      closed.push(once(socket.resume(), 'close'));
    });
    const subscription = new Subscription();
    const { observed } = await new Promise<Observation>((resolve) => {
      subscription.add(observe$(holding, 41_000, configAt(newAddress())).subscribe(resolve));
    });
    expect(observed).toEqual({ address: '192.0.2.1', port: 5000 });
    expect(subscription.closed).withContext('it has not completed').toBeFalse();
    subscription.unsubscribe();
    await Promise.all(closed);
    expect(closed).toHaveSize(1);
  });

  it('fails when nobody is there, and when somebody is who does not say', async () => {
    const gone = await badServer(() => undefined);
    const leaving = await badServer((socket) => socket.end('REFUSED too-many-connections from you\r\n'));
    const observing$ = (where: ServerAddress) => observe$(where, 41_000, configAt(newAddress()));
    expect(await failureOf(observing$({ ...gone, host: newAddress() }))).toBeInstanceOf(DialError);
    expect(await failureOf(observing$(leaving))).toBeInstanceOf(RendezvousError);
  });

  it('samples five consecutive ports from each server, in their order, and leaves out what fails', async () => {
    const [bind, one, other] = [newAddress(), await server(), await server()];
    const nobody = { host: newAddress(), port: 1 };
    const samples = await firstValueFrom(sample$([one, nobody, other], 42_000, configAt(bind)));
    expect(samples.map(({ localPort, server: { port }, observed }) => [localPort, port, observed.port])).toEqual(
      [42_000, 42_001, 42_002, 42_003, 42_004].flatMap((port) => [
        [port, one.port, port],
        [port, other.port, port],
      ]),
    );
  });

  it('does not wait for a server that says nothing when two others have told all', async () => {
    const [bind, silent] = [newAddress(), await badServer(() => undefined)];
    const others = [await lab.server({ bind: newAddress() }), await lab.server({ bind: newAddress() })];
    const servers = [silent, ...others.map(({ local }) => ({ host: local.address, port: local.port }))];
    const timing = { ...DEFAULT_TIMING, natMs: 3_600_000, handshakeMs: 3_600_000, dialMs: 3_600_000 };
    const samples = await firstValueFrom(sample$(servers, 42_000, { ...configAt(bind), timing }));
    expect(samples).toHaveSize(10);
  });

  it('samples nothing where there is no server', async () => {
    expect(await firstValueFrom(sample$([], 42_000, configAt(newAddress())))).toEqual([]);
  });
});

describe('enough samples to classify a NAT', () => {
  const from = (address: string, localPort: number) => ({
    order: 0,
    observation: {
      localPort,
      server: { address, port: 8000 },
      observer: { host: address, port: 8000 },
      observed: { address: '198.51.100.7', port: localPort },
      roundTripMs: 1,
    },
  });
  const results = {
    a: from('192.0.2.1', 1),
    b: from('192.0.2.1', 2),
    c: from('192.0.2.2', 1),
    d: from('192.0.2.2', 2),
    e: from('2001:db8::1', 1),
    f: from('2001:db8::1', 2),
    x: undefined,
  };
  const expectThat = (source: string, result: string) => {
    marbles(({ cold, expectObservable, scheduler }) => {
      expectObservable(cold(source, results).pipe(untilEnough(2, 20, scheduler))).toBe(result, results);
    });
  };

  it('is all ports from two servers, and what comes within twice the time that this took', () => {
    expectThat('-a-bcd--------------', '-a-bcd---------|');
    expectThat('-a-bcd------e-f--x--', '-a-bcd------e-f|');
  });

  it('is not one server, nor two of different families, nor some of the ports', () => {
    expectThat('ab------------------------', 'ab------------------|');
    expectThat('abef----------------------', 'abef----------------|');
    expectThat('abc-x---------------------', 'abc-x---------------|');
  });

  it('are all that there can be', () => {
    expectThat('ax--x-|', 'ax--x-|');
    expectThat('abcd|', 'abcd|');
  });
});
