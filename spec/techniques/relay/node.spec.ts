import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { filter, firstValueFrom, NEVER, take } from 'rxjs';
import type { NetConfig } from '../../../lib/config.js';
import { resolveConfig } from '../../../lib/config/resolve.js';
import type { Connection, Net } from '../../../lib/index.js';
import { relaysOf } from '../../../lib/techniques/relay/relay.js';
import type { ServerState } from '../../../lib/rendezvous/client.js';
import { RELAY_PROTOCOL } from '../../../lib/techniques/relay/protocol.js';
import type { RendezvousSession } from '../../../lib/rendezvous/session.js';
import { serve$, type ServeConfig, type Serving } from '../../../servers/index.js';
import { addressOf, failureOf, Lab, newAddress } from '../../support/nodes.js';
import { freePort } from '../../support/free-port.js';

const BY_RELAY = { techniques: ['relay'] } as const;

describe('a relay between two nodes', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** All of the servers, as `rxp2p serve` has them, on loopback. */
  async function servers(
    config: Partial<ServeConfig> = {},
  ): Promise<{ readonly rendezvous: string; readonly http: string; readonly httpPort: number }> {
    const serving$ = serve$({ bind: '127.0.0.1', port: 0, httpPort: 0, ...config });
    const { endpoints } = await new Promise<Serving>((resolve, reject) => {
      lab.use(serving$.subscribe({ next: resolve, error: reject }));
    });
    const portOf = (name: string) => endpoints.find((endpoint) => endpoint.name === name)?.local.port ?? 0;
    return {
      rendezvous: `127.0.0.1:${portOf('rendezvous')}`,
      http: `http://127.0.0.1:${portOf('http')}/`,
      httpPort: portOf('http'),
    };
  }

  /** A server that does to each connection what it is told, and where it is. */
  async function listening(onConnection: (socket: Socket) => void, host = '127.0.0.1', port = 0): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      lab.onClose(() => socket.destroy());
      onConnection(socket);
    }).listen(port, host);
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return addressOf(server).port;
  }

  const unlsOf = (...nets: readonly Net[]) => Promise.all(nets.map(({ unl$ }) => firstValueFrom(unl$)));

  const wayOf = async ({ path$, direction }: Connection) => {
    const { technique, direct, remote } = await firstValueFrom(path$.pipe(take(1)));
    return { technique, direct, remote, direction };
  };

  /** However it closes. */
  const closingOf = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

  /** Connects two nets by a relay, and has a line go each way. */
  async function meet(here: Net, there: Net): Promise<{ readonly at: Connection; readonly from: Connection }> {
    const [, unl = ''] = await unlsOf(here, there);
    const arriving = firstValueFrom(there.connections$);
    const at = await firstValueFrom(here.connect$(unl, BY_RELAY));
    const from = await arriving;
    const lines = Promise.all([firstValueFrom(at.lines$), firstValueFrom(from.lines$)]);
    at.send('there');
    from.send('and back');
    expect(await lines).toEqual(['and back', 'there']);
    return { at, from };
  }

  it('carries their lines both ways, and they know that it does', async () => {
    const { rendezvous, httpPort } = await servers();
    const { at, from } = await meet(lab.net({ rendezvous: [rendezvous] }), lab.net({ rendezvous: [rendezvous] }));
    const remote = { address: '127.0.0.1', port: httpPort };
    expect(await wayOf(at)).toEqual({ technique: 'relay', direct: false, remote, direction: 'outbound' });
    expect(await wayOf(from)).toEqual({ technique: 'relay', direct: false, remote, direction: 'inbound' });
  });

  it('ends in order when they do', async () => {
    const { rendezvous } = await servers();
    const { at, from } = await meet(lab.net({ rendezvous: [rendezvous] }), lab.net({ rendezvous: [rendezvous] }));
    const ends = Promise.all([firstValueFrom(at.closed$), firstValueFrom(from.closed$)]);
    at.close();
    expect((await ends).map(({ code }) => code)).toEqual(['closed', 'closed']);
  });

  it('is found by nodes that know nothing but a mailbox', async () => {
    const { http } = await servers();
    await meet(lab.net({ mailbox: [http] }), lab.net({ mailbox: [http] }));
  });

  it('is found by nodes that know its server by different names', async () => {
    const { rendezvous } = await servers();
    await meet(
      lab.net({ rendezvous: [rendezvous] }),
      lab.net({ rendezvous: [rendezvous.replace('127.0.0.1', 'localhost')] }),
    );
  });

  it('is found by nodes that know its server by different addresses, too', async () => {
    // The same server at a second address, by a forwarder, so that it has to be told its names.
    const second = '127.0.0.9';
    const httpPort = await freePort();
    const hosts = ['127.0.0.1', second].map((host) => `${host}:${httpPort}`);
    const { rendezvous } = await servers({ httpPort, hosts });
    const port = Number(rendezvous.split(':')[1]);
    for (const each of [port, httpPort]) {
      await listening((socket) => socket.pipe(connect(each, '127.0.0.1')).pipe(socket), second, each);
    }
    const { at, from } = await meet(
      lab.net({ rendezvous: [rendezvous] }),
      lab.net({ rendezvous: [`${second}:${port}`] }),
    );
    expect([(await wayOf(at)).remote.address, (await wayOf(from)).remote.address]).toEqual(['127.0.0.1', second]);
  });

  it('is the one that both know, whichever the asking node tries first', async () => {
    const [one, other, meeting] = [await servers(), await servers(), await lab.server()];
    const rendezvous = [meeting.address];
    const { at, from } = await meet(
      lab.net({ rendezvous, relay: [one.http, other.http] }),
      lab.net({ rendezvous, relay: [other.http] }),
    );
    for (const end of [at, from]) expect((await wayOf(end)).remote.port).toBe(other.httpPort);
  });

  it('makes one connection of two nodes that ask each other at the same time', async () => {
    const { rendezvous } = await servers();
    for (let round = 0; round < 5; round++) {
      const [here, there] = [lab.net({ rendezvous: [rendezvous] }), lab.net({ rendezvous: [rendezvous] })];
      const [hereUnl = '', thereUnl = ''] = await unlsOf(here, there);
      const all = [lab.collect(here.connections$), lab.collect(there.connections$)];
      const arrived = Promise.all([firstValueFrom(here.connections$), firstValueFrom(there.connections$)]);
      const [at, from] = await Promise.all([
        firstValueFrom(here.connect$(thereUnl, BY_RELAY)),
        firstValueFrom(there.connect$(hereUnl, BY_RELAY)),
      ]);
      await arrived;
      const lines = Promise.all([firstValueFrom(at.lines$), firstValueFrom(from.lines$)]);
      at.send('one');
      from.send('and the same');
      expect(await lines).toEqual(['and the same', 'one']);
      expect(all.map((connections) => connections.length)).toEqual([1, 1]);
      expect((await wayOf(at)).direct).toBeFalse();
    }
  });

  it('is not used when the peer does not know it: a peer connects only to relays of its own', async () => {
    const [own, meeting] = [await servers(), await lab.server()];
    const visitors: (string | undefined)[] = [];
    const port = await listening((socket) => visitors.push(socket.remoteAddress));
    const rendezvous = [meeting.address];
    const bind = newAddress();
    const here = lab.net({ rendezvous, bind, relay: [`http://127.0.0.1:${port}/`] });
    const [, unl = ''] = await unlsOf(here, lab.net({ rendezvous, relay: [own.http] }));
    const [, , there = ''] = await unlsOf(here, here, lab.net({ rendezvous }));
    expect(String(await failureOf(here.connect$(unl, BY_RELAY)))).toMatch(/it knows none of your relays/);
    expect(String(await failureOf(here.connect$(there, BY_RELAY)))).toMatch(/it knows none of your relays/);
    expect(new Set(visitors)).toEqual(new Set([bind]));
  });

  it('fails with the reason when it is down, is no relay, or is silent', async () => {
    const meeting = await lab.server();
    const silent = await listening(() => undefined);
    const http = createHttpServer((_request, response) => response.writeHead(404).end()).listen(0, '127.0.0.1');
    await once(http, 'listening');
    lab.onClose(() => http.close());
    const down = await freePort();
    for (const [port, reason] of [
      [down, /ECONNREFUSED|lets it in/],
      [addressOf(http).port, /refused: HTTP status 404|lets it in/],
      [silent, /did not let this node in within 2000 ms|lets it in/],
    ] as const) {
      const config = {
        rendezvous: [meeting.address],
        relay: [`http://127.0.0.1:${port}/`],
        timing: { dialMs: 2_000 },
      };
      const here = lab.net(config);
      const [, unl = ''] = await unlsOf(here, lab.net(config));
      expect(String(await failureOf(here.connect$(unl, BY_RELAY)))).toMatch(reason);
    }
  });

  it('is left when the attempt is given up: nothing stays open', async () => {
    const meeting = await lab.server();
    const relay = createHttpServer().listen(0, '127.0.0.1');
    lab.onClose(() => relay.close());
    await once(relay, 'listening');
    const joined: Socket[] = [];
    const waiting = new Promise<void>((resolve) => {
      relay.on('upgrade', (_request, socket: Socket) => {
        socket
          .on('error', () => undefined)
          .on('end', () => socket.end())
          .resume();
        lab.onClose(() => socket.destroy());
        socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${RELAY_PROTOCOL}\r\n\r\n`);
        if (joined.push(socket) === 2) resolve();
      });
    });
    const config = { rendezvous: [meeting.address], relay: [`http://127.0.0.1:${addressOf(relay).port}/`] };
    const address = newAddress();
    const [here, there] = [lab.net({ ...config, bind: address }), lab.net(config)];
    const [, unl = ''] = await unlsOf(here, there);
    const attempt = here.connect$(unl, BY_RELAY).subscribe({ error: fail });
    // Each believes that the other is about to come.
    await waiting;
    const isHere = ({ remoteAddress }: Socket) => remoteAddress === address;
    const [ours, theirs] = [joined.find(isHere), joined.find((socket) => !isHere(socket))];
    if (ours === undefined || theirs === undefined) throw new Error('Expected both nodes');
    const left = closingOf(ours);
    attempt.unsubscribe();
    await left;
    const alsoLeft = closingOf(theirs);
    await there.close();
    await alsoLeft;
  });

  it('is not used when it is switched off, or in plain mode', async () => {
    const { rendezvous } = await servers();
    const there = lab.net({ rendezvous: [rendezvous], relay: false });
    const here = lab.net({ rendezvous: [rendezvous], relay: false });
    const [, unl = ''] = await unlsOf(here, there);
    expect(String(await failureOf(here.connect$(unl, BY_RELAY)))).toMatch(/made with `relay: false`/);
    const plain = lab.net({ security: 'plain', rendezvous: [rendezvous] });
    expect(String(await failureOf(plain.connect$(unl, BY_RELAY)))).toMatch(/its net is plain/);
    const asked = firstValueFrom(
      there.trace$.pipe(filter((step) => step.type === 'signal' && step.step === 'received')),
    );
    const other = lab.net({ rendezvous: [rendezvous] });
    await unlsOf(other);
    const attempt = other.connect$(unl, BY_RELAY).subscribe({ error: () => undefined });
    await asked;
    const answers = lab.collect(there.trace$.pipe(filter((step) => step.type === 'signal')));
    attempt.unsubscribe();
    await there.close();
    expect(answers).withContext('it says nothing').toEqual([]);
  });

  it('can be used by a peer that was refused before and is accepted now', async () => {
    const { rendezvous } = await servers();
    let isWelcome = false;
    const here = lab.net({ rendezvous: [rendezvous] });
    const there = lab.net({ rendezvous: [rendezvous], acceptPeer: () => isWelcome });
    const [, unl = ''] = await unlsOf(here, there);
    const refused = firstValueFrom(here.trace$.pipe(filter(isReceived('relay-refusal'))));
    const connecting = firstValueFrom(here.connect$(unl, BY_RELAY));
    await refused;
    isWelcome = true;
    expect((await connecting).peerId).toBe(there.peerId);
  });
});

/** Whether a step is that of a signal's arrival. */
function isReceived(kind: string) {
  return (step: { readonly type: string; readonly step?: string; readonly kind?: string }): boolean =>
    step.type === 'signal' && step.step === 'received' && step.kind === kind;
}

describe('the relays that a node knows', () => {
  const stateOf = (host: string, fields: Partial<ServerState> = {}): ServerState => ({
    server: { host, port: 8000 },
    session: undefined,
    observed: undefined,
    httpPort: 8080,
    failure: 'it is down',
    ...fields,
  });
  const relaysWith = (config: Partial<NetConfig>, ...states: readonly ServerState[]) =>
    relaysOf(resolveConfig({ mode: 'direct', ...config }), states);

  it('are those beside its servers, each once', () => {
    const config = {
      rendezvous: ['rv.example.org:8000'],
      mailbox: ['http://rv.example.org:8080', 'https://box.example.org/p2p'],
      dht: ['192.0.2.1:8001'],
    };
    expect(
      relaysWith(config, stateOf('rv.example.org'), stateOf('old.example.org', { httpPort: undefined })).map(
        ({ url, meetings }) => [url.href, ...meetings],
      ),
    ).toEqual([
      ['http://rv.example.org:8080/', 'rv.example.org:8000'],
      ['https://box.example.org/p2p/'],
      ['http://192.0.2.1:8001/'],
    ]);
  });

  it('have the names and addresses that its sessions have shown', () => {
    const sessionAt = (address: string, roundTripMs: number): RendezvousSession => ({
      server: { host: 'rv.example.org', port: 8000 },
      remote: { address, port: 8000 },
      observed: undefined,
      httpPort: 8080,
      serverId: 'one',
      nonce: undefined,
      roundTripMs,
      message$: NEVER,
      send$: () => NEVER,
      advertise: () => undefined,
      nodes$: () => NEVER,
      line$: NEVER,
      say: () => undefined,
    });
    const state = (roundTripMs: number) => ({ session: sessionAt('2001:db8::1', roundTripMs), failure: undefined });
    const states = [stateOf('rv.example.org', state(80)), stateOf('rv.example.org', state(40))];
    expect(relaysWith({ rendezvous: ['rv.example.org:8000'] }, ...states)).toEqual([
      {
        url: new URL('http://rv.example.org:8080/'),
        at: ['[2001:db8::1]:8080', '[2001:db8::1]:8080'],
        id: 'one',
        meetings: ['rv.example.org:8000', 'rv.example.org:8000', '[2001:db8::1]:8000', '[2001:db8::1]:8000'],
        roundTripMs: 40,
      },
    ]);
  });

  it('are the configured ones only, or none', () => {
    const relay = ['http://relay.example.org', 'http://rv.example.org:8080'];
    const given = relaysWith({ relay, mailbox: ['http://box.example.org'] }, stateOf('rv.example.org'));
    expect(given.map(({ url, meetings }) => [url.href, ...meetings])).toEqual([
      ['http://relay.example.org/'],
      ['http://rv.example.org:8080/', 'rv.example.org:8000'],
    ]);
    expect(relaysWith({ relay: false, mailbox: ['http://box.example.org'] }, stateOf('rv.example.org'))).toEqual([]);
  });
});
