import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { firstValueFrom, NEVER, Subject } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import type { ServerAddress } from '../../lib/endpoint.js';
import { createIdentity } from '../../lib/identity.js';
import { challengeTalkIn, NO_ADDRESS, PYP2P_DIALECT } from '../../lib/pyp2p/dialect.js';
import { observe$ } from '../../lib/rendezvous/observe.js';
import { session$, type RendezvousSession } from '../../lib/rendezvous/session.js';
import { systemRuntime } from '../../lib/runtime.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';
import { addressOf, failureOf, Lab, newAddress } from '../support/nodes.js';
import { record } from '../support/record.js';

describe('PyP2P’s way with rendezvous servers', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const configAt = (bind: string) => ({
    bind,
    identity: createIdentity(),
    dialect: PYP2P_DIALECT,
    runtime: systemRuntime,
    timing: DEFAULT_TIMING,
    network$: NEVER,
  });

  /** A server that says nothing to what it does not know, as PyP2P's do. */
  async function pyp2pServer(answer: (line: string, socket: Socket) => void): Promise<ServerAddress> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        for (const line of String(chunk).split('\r\n')) answer(line, socket);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return { host: '127.0.0.1', port: addressOf(server).port };
  }

  function open(server: ServerAddress): Promise<RendezvousSession> {
    return new Promise((resolve, reject) => {
      lab.use(session$(server, configAt(newAddress())).subscribe({ next: resolve, error: reject }));
    });
  }

  it('asks by SOURCE where it is seen, and gets the address only from servers that tell it', async () => {
    const [bind, { local }] = [newAddress(), await lab.server()];
    const ours = { host: local.address, port: local.port };
    const { observed } = await firstValueFrom(observe$(ours, 41_000, configAt(bind)));
    expect(observed).toEqual({ address: bind, port: 41_000 });
    const theirs = await pyp2pServer((line, socket) => {
      if (line === 'SOURCE TCP 41000') socket.write('REMOTE TCP 50000\r\n');
    });
    const untold = await firstValueFrom(observe$(theirs, 41_000, configAt(newAddress())));
    expect(untold.observed).toEqual({ address: NO_ADDRESS, port: 50_000 });
  });

  it('has a session at once, and lists nodes as locators', async () => {
    const server = await pyp2pServer((line, socket) => {
      if (line === 'BOOTSTRAP 2') socket.write('NODES p:192.0.2.1:50500 \r\n');
    });
    const session = await open(server);
    expect([session.observed, session.httpPort, session.serverId, session.roundTripMs]).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
    const unl = unlOfVersion2({
      nodeId: '0'.repeat(40),
      nodeType: 'passive',
      natType: 'unknown',
      forwarding: 'forwarded',
      port: 50_500,
      wan: '192.0.2.1',
      lan: '192.0.2.1',
    });
    expect(await firstValueFrom(session.nodes$(2))).toEqual([{ unl, seenAt: ['192.0.2.1'] }]);
  });

  it('lists only a node that others can dial', async () => {
    const heard: string[] = [];
    const said = new Promise<void>((resolve) => {
      void pyp2pServer((line) => {
        if (line !== '') heard.push(line);
        if (line === 'CLEAR') resolve();
      }).then(async (server) => {
        const session = await open(server);
        session.advertise(unlOf({}), 10);
        session.advertise(unlOfVersion2({ nodeType: 'simultaneous' }), 10);
        session.advertise(unlOfVersion2({ nodeType: 'passive', port: 50_500 }), 10);
        challengeTalkIn(session).send({ verb: 'CLEAR' });
      });
    });
    await said;
    expect(heard).toEqual(['PASSIVE READY 50500 10', 'CLEAR']);
  });

  it('reads only replies about challenges', () => {
    const [line$, said] = [new Subject<string>(), [] as string[]];
    const talk = challengeTalkIn({ line$, say: (line) => said.push(line) });
    const replies = record(talk.reply$);
    for (const line of ['NODES EMPTY', 'PREDICTION SET', 'REMOTE TCP 1', 'PONG', 'RECONNECT']) line$.next(line);
    expect(replies.values).toEqual([{ verb: 'PREDICTION SET' }, { verb: 'RECONNECT' }]);
    line$.error(new Error('the session has ended'));
    expect(replies.error).toEqual(new Error('the session has ended'));
    talk.send({ verb: 'CANDIDATE', address: '192.0.2.1', ports: [1, 2] });
    expect(said).toEqual(['CANDIDATE 192.0.2.1 TCP 1 2']);
  });

  it('has no session with a server that is not a rendezvous server', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined).write('220 mail.example.org ESMTP\r\n');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const { port } = addressOf(server);
    expect(String(await failureOf(session$({ host: '127.0.0.1', port }, configAt(newAddress()))))).toContain(
      'is no rendezvous server',
    );
  });
});
