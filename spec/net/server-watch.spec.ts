import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { asyncScheduler, filter, firstValueFrom, map, take, takeWhile, toArray } from 'rxjs';
import { ConnectError, createIdentity, formatUnl, type Net, type TraceEvent } from '../../lib/index.js';
import { dialWith } from '../../lib/link/tcp.js';
import { systemRuntime } from '../../lib/runtime.js';
import { ServerWatch } from '../../lib/net/server-watch.js';
import { dhtServer$ } from '../../servers/index.js';
import { impatient } from '../support/impatient.js';
import { addressOf, failureOf, Lab, newAddress } from '../support/nodes.js';
import { freePort } from '../support/free-port.js';

type ServerStep = Extract<TraceEvent, { readonly type: 'server' }>;

/** A resolver that knows no name. */
const lookup = (host: string) =>
  Promise.reject(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }));
const runtime = { ...systemRuntime, dial$: dialWith({ lookup, scheduler: asyncScheduler }) };

describe('a server that cannot be used', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** The first that is told of a net's servers. */
  async function firstTold(net: Net): Promise<{ kind: string; server: string; failure: string | undefined }> {
    const told = firstValueFrom(net.trace$.pipe(filter((step): step is ServerStep => step.type === 'server')));
    await net.start();
    const { kind, server, failure } = await told;
    return { kind, server, failure };
  }

  /** A server that speaks something else, from the first moment or when it has heard something. */
  async function stranger(kind: 'ssh' | 'http'): Promise<string> {
    const server =
      kind === 'http'
        ? createHttpServer((_, response) => response.writeHead(404).end('not here'))
        : createServer((socket) => socket.on('error', () => undefined).write('SSH-2.0-OpenSSH_9.2\r\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return `127.0.0.1:${addressOf(server).port}`;
  }

  it('is reported again when a node of the DHT answers after all', async () => {
    const [bind, port] = [newAddress(), await freePort()];
    // The pauses between two looks, of 10 s and more, are over at once here.
    const scheduler = impatient({ 10_000: 10, 20_000: 10, 30_000: 10, 40_000: 10, 50_000: 10, 60_000: 10 });
    const net = lab.net({ dht: [`${bind}:${port}`] }, { ...systemRuntime, scheduler });
    const told$ = net.trace$.pipe(
      filter((step): step is ServerStep => step.type === 'server' && step.kind === 'DHT'),
      map(({ failure }) => failure),
    );
    const failures = firstValueFrom(
      told$.pipe(
        takeWhile((failure) => failure !== undefined, true),
        toArray(),
      ),
    );
    const isDown = firstValueFrom(told$);
    await net.start();
    expect(await isDown).toBe('does not answer');
    lab.use(dhtServer$({ bind, port, bootstrap: [] }).subscribe());
    expect((await failures).at(-1)).toBeUndefined();
  });

  it('is not reported when a node of the DHT answers', async () => {
    const [bind, port] = [newAddress(), await freePort()];
    await new Promise<void>((resolve, reject) => {
      const server$ = dhtServer$({ bind, port, bootstrap: [] });
      lab.use(
        server$.subscribe({
          next: () => {
            resolve();
          },
          error: reject,
        }),
      );
    });
    const { kind, failure } = await firstTold(lab.net({ dht: [`${bind}:${port}`] }));
    expect([kind, failure]).toEqual(['DHT', undefined]);
  });

  it('is named with the reason, in the trace and in the status', async () => {
    const net = lab.net({ rendezvous: ['nosuch.invalid:8000'] }, runtime);
    const told = await firstTold(net);
    expect(told).toEqual({
      kind: 'rendezvous',
      server: 'nosuch.invalid:8000',
      failure: 'cannot be reached (ENOTFOUND)',
    });
    const { services, servers } = await firstValueFrom(net.status$);
    expect(services).toEqual([jasmine.objectContaining(told)]);
    const full$ = net.status$.pipe(
      map((status) => status.servers[0]?.failure),
      filter((failure) => failure !== undefined),
    );
    expect(servers[0]?.failure ?? (await firstValueFrom(full$))).toBe(
      'The rendezvous server nosuch.invalid:8000 cannot be reached (ENOTFOUND)',
    );
  });

  it('is told once, and again when it can be used', async () => {
    const address = newAddress();
    const port = await freePort(address);
    const net = lab.net({ rendezvous: [`${address}:${port}`], timing: { reconnectMs: 10, reconnectMaxMs: 10 } });
    const [failures, changes] = [lab.collect(net.trace$), firstValueFrom(steps$(net).pipe(take(2), toArray()))];
    await net.start();
    const isLost = (step: TraceEvent) => step.type === 'rendezvous' && step.state === 'lost';
    await firstValueFrom(net.trace$.pipe(filter(isLost), take(3), toArray()));
    await lab.server({ bind: address, port });
    expect((await changes).map(({ failure }) => failure)).toEqual(['cannot be reached (ECONNREFUSED)', undefined]);
    expect(failures.filter(isLost).length).toBeGreaterThanOrEqual(3);
  });

  for (const kind of ['ssh', 'http'] as const) {
    it(`is no rendezvous server, where it answers by ${kind}`, async () => {
      const { failure } = await firstTold(lab.net({ rendezvous: [await stranger(kind)] }));
      expect(failure).toMatch(/^answers, but is no rendezvous server: it said `(SSH-2\.0|HTTP\/1\.1 400)/);
    });

    it(`is no mailbox, where it answers by ${kind}`, async () => {
      const { failure, server } = await firstTold(lab.net({ mailbox: [`http://${await stranger(kind)}/`] }));
      expect(server).toMatch(/^http:/);
      expect(failure).toMatch(/^answers, but is no mailbox/);
    });
  }

  it('is named where a connect fails since no signal could be sent, and not while one of them can be used', async () => {
    const unl = formatUnl({
      version: 3,
      peerId: createIdentity().peerId,
      nodeType: 'simultaneous',
      natType: { type: 'unknown' },
      endpoints: [],
      rendezvous: [],
      mailboxes: [],
      dht: [],
      mqtt: [],
      extensions: [],
    });
    const dead = lab.net({ rendezvous: ['nosuch.invalid:8000'] }, runtime);
    await firstTold(dead);
    const failure = await failureOf(dead.connect$(unl, { techniques: ['direct'] }));
    expect(failure).toBeInstanceOf(ConnectError);
    expect(failure).toEqual(
      jasmine.objectContaining({
        message: jasmine.stringMatching(
          /No signal could be sent: the rendezvous server nosuch\.invalid:8000 cannot be reached \(ENOTFOUND\)$/,
        ),
        unreachable: [jasmine.any(String)],
      }),
    );
    const { address } = await lab.server();
    const alive = lab.net({ rendezvous: ['nosuch.invalid:8000', address] });
    await firstValueFrom(steps$(alive, true).pipe(filter(({ failure }) => failure === undefined)));
    expect(await failureOf(alive.connect$(unl, { techniques: ['direct'] }))).toEqual(
      jasmine.objectContaining({ unreachable: [] }),
    );
  });

  function steps$(net: Net, start = false) {
    if (start) void net.start();
    return net.trace$.pipe(filter((step): step is ServerStep => step.type === 'server'));
  }
});

describe('ServerWatch', () => {
  const dead = { kind: 'mailbox', server: 'http://a/', failure: 'does not answer' } as const;

  it('reports a failure once, until it changes or is over', () => {
    const watch = new ServerWatch();
    expect([watch.note(dead), watch.note(dead)]).toEqual([true, false]);
    expect(watch.note({ ...dead, failure: 'cannot be reached (ENOTFOUND)' })).toBeTrue();
    expect(watch.note({ ...dead, failure: undefined })).toBeTrue();
    expect(watch.all).toEqual([{ ...dead, failure: undefined }]);
  });

  it('remembers so many servers and no more', () => {
    const watch = new ServerWatch();
    for (let i = 0; i < 100; i++) watch.note({ ...dead, server: `http://${i}/` });
    expect(watch.all).toHaveSize(64);
  });
});
