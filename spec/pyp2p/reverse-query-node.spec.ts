import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { filter, firstValueFrom, map, tap, type Observable } from 'rxjs';
import { createIdentity, createNet, formatUnl, parseUnl, type Net, type NetConfig } from '../../lib/index.js';
import type { DialConfig, ListenConfig, Listener } from '../../lib/link/tcp.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { decodeText, encodeText } from '../../lib/pyp2p/mailbox-messages.js';
import type { UnlV2 } from '../../lib/pyp2p/wire/unl-version-2.js';
import { mailboxServer$, rendezvousServer$ } from '../../servers/index.js';
import { impatient } from '../support/impatient.js';
import { LineClient } from '../support/line-client.js';
import { unlOfVersion2 } from '../support/locators.js';
import { call } from '../support/mailbox.js';
import { addressBehind, addressOf, failureOf, Lab, newAddress, publicNameOf } from '../support/nodes.js';

function disguise(socket: Socket): void {
  Object.defineProperty(socket, 'remoteAddress', { value: publicNameOf(socket.remoteAddress ?? '') });
}

/** The real runtime, but for the address under which others are seen. */
const disguised: Runtime = {
  ...systemRuntime,
  dial$: ({ host, ...rest }: DialConfig) =>
    systemRuntime.dial$({ host: addressBehind(host), ...rest }).pipe(tap(disguise)),
  listen$: (config: ListenConfig): Observable<Listener> =>
    systemRuntime.listen$(config).pipe(
      map(({ local, socket$ }) => ({
        local,
        socket$: socket$.pipe(tap(disguise)),
      })),
    ),
};

/** A node of PyP2P's with a mailbox, by hand. */
class Pyp2pNode {
  readonly #nodeId = createIdentity().nodeId;
  readonly #heard: string[] = [];

  constructor(
    readonly mailboxPort: number,
    readonly address = newAddress(),
  ) {}

  static async registered(mailboxPort: number): Promise<Pyp2pNode> {
    const node = new Pyp2pNode(mailboxPort);
    await node.#ask({ call: 'register', port: '0' });
    return node;
  }

  unl(fields: Partial<UnlV2> = {}): UnlV2 {
    const wan = publicNameOf(this.address);
    return unlOfVersion2({ nodeId: this.#nodeId, nodeType: 'active', natType: 'random', wan, ...fields });
  }

  /** Puts a text into the mailbox of a node. */
  async tell({ nodeId }: UnlV2, text: string): Promise<void> {
    expect(await this.#ask({ call: 'put', dest_node_id: nodeId, msg: encodeText(text) })).toBe('success');
  }

  /** The next text in its own mailbox. */
  async heard(): Promise<string> {
    while (this.#heard.length === 0) {
      const messages: unknown = JSON.parse(await this.#ask({ call: 'list' }));
      if (!Array.isArray(messages)) throw new Error('Expected a list');
      this.#heard.push(...messages.map((message: unknown) => decodeText(String(message)) ?? 'no text'));
    }
    return this.#heard.shift() ?? '';
  }

  async #ask(fields: Readonly<Record<string, string>>): Promise<string> {
    const query = String(new URLSearchParams({ node_id: this.#nodeId, password: 'secret', ...fields }));
    return (await call({ host: '127.0.0.1', port: this.mailboxPort }, `/dht_msg.php?${query}`)).text;
  }
}

describe('PyP2P’s reverse connect', () => {
  const lab = new Lab();
  const nets: Net[] = [];
  afterEach(async () => {
    await Promise.all(nets.splice(0).map((net) => net.close(200)));
    await lab.close();
  });

  async function serve<T>(server$: Observable<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      lab.use(server$.subscribe({ next: resolve, error: reject }));
    });
  }

  /** A rendezvous server, which sees who is where, and a mailbox server. */
  async function servers() {
    const at = { bind: '127.0.0.1', port: 0 } as const;
    const rendezvous = await serve(rendezvousServer$(at, disguised));
    const mailbox = await serve(mailboxServer$(at));
    return { rendezvous: rendezvous.local.port, mailbox: mailbox.local.port };
  }

  type Ports = Awaited<ReturnType<typeof servers>>;

  async function start({ rendezvous, mailbox }: Ports, config: Partial<NetConfig> = {}, runtime = disguised) {
    const net = createNet(
      {
        mode: 'direct',
        security: 'plain',
        portMapping: false,
        bind: newAddress(),
        rendezvous: [`127.0.0.1:${rendezvous}`],
        mailbox: [`http://127.0.0.1:${mailbox}/`],
        ...config,
      },
      runtime,
    );
    nets.push(net);
    const unl = parseUnl(await firstValueFrom(net.unl$));
    if (unl.version !== 2) throw new Error('Expected a UNL of PyP2P’s');
    return { net, unl };
  }

  const passive = { forwarded: true };
  const reversed = { techniques: ['reverse-query'] } as const;

  /** Dials a net from an address, and sends something. */
  async function dialFrom(address: string, { wan, port }: UnlV2, text: string): Promise<LineClient> {
    const client = await LineClient.to({ address: addressBehind(wan), port }, address);
    lab.onClose(() => client.socket.destroy());
    client.socket.on('error', () => undefined);
    client.socket.write(text);
    return client;
  }

  /** Listens where a node of PyP2P's is. */
  async function listenAt(address: string): Promise<{ readonly port: number; readonly socket: Promise<Socket> }> {
    const server = createServer().listen(0, address);
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const socket = new Promise<Socket>((resolve) => {
      server.once('connection', (accepted) => {
        lab.onClose(() => accepted.destroy());
        accepted.on('error', () => undefined);
        resolve(accepted);
      });
    });
    return { port: addressOf(server).port, socket };
  }

  it('connects a node that can be dialled to one that cannot, which dials back', async () => {
    const ports = await servers();
    const [alice, bob] = [await start(ports, passive), await start(ports)];
    expect([alice.unl.nodeType, bob.unl.nodeType]).toEqual(['passive', 'simultaneous']);
    const arriving = firstValueFrom(bob.net.connections$);
    const here = await firstValueFrom(alice.net.connect$(formatUnl(bob.unl), reversed));
    const heard = firstValueFrom(bob.net.lines$);
    here.send('Sup Bob.');
    const there = await arriving;
    expect((await heard).text).toBe('Sup Bob.');
    const answer = firstValueFrom(here.lines$);
    there.send('Sup Alice.');
    expect(await answer).toBe('Sup Alice.');
    expect([here.direction, there.direction]).toEqual(['outbound', 'inbound']);
    expect(here.peerId).toBe(`plain:${bob.unl.wan}:${bob.unl.port}`);
    for (const connection of [here, there]) {
      expect((await firstValueFrom(connection.path$)).technique).toBe('reverse-query');
    }
    expect(await firstValueFrom(alice.net.connect$(formatUnl(bob.unl)))).toBe(here);
  });

  it('brings what was asked for although all inbound slots are taken, and nothing else', async () => {
    const ports = await servers();
    const alice = await start(ports, { ...passive, slots: { inbound: 0 } });
    const bob = await start(ports);
    const failed = firstValueFrom(alice.net.trace$.pipe(filter(({ type }) => type === 'inbound-failed')));
    await (await dialFrom(newAddress(), alice.unl, '0'.repeat(64))).closed();
    expect(await failed).toEqual(jasmine.objectContaining({ reason: 'all inbound slots are taken' }));
    const heard = firstValueFrom(bob.net.lines$);
    (await firstValueFrom(alice.net.connect$(formatUnl(bob.unl), reversed))).send('Sup Bob.');
    expect((await heard).text).toBe('Sup Bob.');
  });

  it('is requested and confirmed in PyP2P’s words', async () => {
    const ports = await servers();
    const alice = await start(ports, passive);
    const pyp2p = await Pyp2pNode.registered(ports.mailbox);
    const connecting = firstValueFrom(alice.net.connect$(formatUnl(pyp2p.unl()), reversed));
    const [verb, unl = '', nonce = '', ...rest] = (await pyp2p.heard()).split(':');
    expect([verb, parseUnl(unl), rest]).toEqual(['REVERSE_CONNECT', alice.unl, []]);
    expect(nonce).toMatch(/^[0-9a-f]{64}$/);
    const client = await dialFrom(pyp2p.address, alice.unl, `${nonce}hello\r\n`);
    const connection = await connecting;
    expect(await firstValueFrom(connection.lines$)).toBe('hello');
    connection.send('hello yourself');
    // Whoever has dialled is not sent a nonce.
    expect(await client.heard()).toBe('hello yourself');
    await pyp2p.tell(alice.unl, `REVERSE_QUERY:${formatUnl(pyp2p.unl())}`);
    expect(await pyp2p.heard()).toBe(`REVERSE_ORIGIN:${unl}`);
  });

  it('does not take another connection for the one that it waits for', async () => {
    const ports = await servers();
    const alice = await start(ports, passive);
    const pyp2p = await Pyp2pNode.registered(ports.mailbox);
    const connecting = firstValueFrom(alice.net.connect$(formatUnl(pyp2p.unl()), reversed));
    const nonce = (await pyp2p.heard()).split(':')[2] ?? '';
    const failed = firstValueFrom(alice.net.trace$.pipe(filter(({ type }) => type === 'inbound-failed')));
    const thief = await dialFrom(newAddress(), alice.unl, nonce);
    await thief.closed();
    expect(await failed).toEqual(jasmine.objectContaining({ reason: jasmine.stringContaining('another address') }));
    // Whoever comes with another nonce, or with none, comes by itself.
    for (const other of ['0'.repeat(64), 'b'.repeat(64)]) {
      const line = firstValueFrom(alice.net.lines$);
      await dialFrom(pyp2p.address, alice.unl, `${other}unasked\r\n`);
      const { connection, text } = await line;
      expect([text, connection.direction]).toEqual(['unasked', 'inbound']);
    }
    await dialFrom(pyp2p.address, alice.unl, nonce.toUpperCase());
    expect((await connecting).direction).toBe('outbound');
    // It is good for one connection only.
    await (await dialFrom(pyp2p.address, alice.unl, nonce)).closed();
  });

  it('refuses a connection that comes too late, and does not confirm a request that it has given up', async () => {
    const ports = await servers();
    const alice = await start(ports, passive);
    const pyp2p = await Pyp2pNode.registered(ports.mailbox);
    const attempt = alice.net.connect$(formatUnl(pyp2p.unl()), reversed).subscribe({ error: fail });
    const nonce = (await pyp2p.heard()).split(':')[2] ?? '';
    attempt.unsubscribe();
    const dropped = firstValueFrom(alice.net.trace$.pipe(filter(({ type }) => type === 'dropped')));
    await (await dialFrom(pyp2p.address, alice.unl, nonce)).closed();
    await pyp2p.tell(alice.unl, `REVERSE_QUERY:${formatUnl(pyp2p.unl())}`);
    expect(await dropped).toEqual(jasmine.objectContaining({ reason: jasmine.stringContaining('has not asked') }));
  });

  it('is done for a PyP2P node that asks for it, when that confirms it', async () => {
    const ports = await servers();
    const bob = await start(ports);
    const pyp2p = await Pyp2pNode.registered(ports.mailbox);
    const { port, socket } = await listenAt(pyp2p.address);
    const unl = formatUnl(pyp2p.unl({ nodeType: 'passive', port }));
    const connections = lab.collect(bob.net.connections$);
    // PyP2P's own nonce, unless an application sets one.
    await pyp2p.tell(bob.unl, `REVERSE_CONNECT:${unl}:${'0'.repeat(64)}`);
    const client = await socket;
    client.write('hello\r\n');
    expect(String(await once(client, 'data'))).toBe('0'.repeat(64));
    expect(await pyp2p.heard()).toBe(`REVERSE_QUERY:${formatUnl(bob.unl)}`);
    expect(connections).withContext('before it is known who asked').toEqual([]);
    const line = firstValueFrom(bob.net.lines$);
    await pyp2p.tell(bob.unl, `REVERSE_ORIGIN:${unl}`);
    const { connection, text } = await line;
    expect([text, connection.direction]).toEqual(['hello', 'inbound']);
    expect(connection.peerId).toBe(`plain:${publicNameOf(pyp2p.address)}:${port}`);
    const answer = once(client, 'data').then(String);
    connection.send('hello yourself');
    expect(await answer).toBe('hello yourself\r\n');
  });

  it('ends if the peer does not confirm within 60 s that it asked', async () => {
    const ports = await servers();
    const hasty = { ...disguised, scheduler: impatient({ 60_000: 100 }) };
    const bob = await start(ports, {}, hasty);
    const pyp2p = await Pyp2pNode.registered(ports.mailbox);
    const { port, socket } = await listenAt(pyp2p.address);
    const connections = lab.collect(bob.net.connections$);
    const failed = firstValueFrom(bob.net.trace$.pipe(filter(({ type }) => type === 'inbound-failed')));
    await pyp2p.tell(bob.unl, `REVERSE_CONNECT:${formatUnl(pyp2p.unl({ port }))}:${'a'.repeat(64)}`);
    const client = await socket;
    await once(client.resume(), 'close');
    expect(await failed).toEqual(jasmine.objectContaining({ reason: jasmine.stringContaining('within 60000 ms') }));
    expect(connections).toEqual([]);
  });

  it('is not done for unusable addresses, nor for floods', async () => {
    const ports = await servers();
    const bob = await start(ports);
    const pyp2p = await Pyp2pNode.registered(ports.mailbox);
    const steps = lab.collect(bob.net.trace$);
    const { port, socket } = await listenAt(pyp2p.address);
    const nonce = 'a'.repeat(64);
    for (const wan of ['127.0.0.1', '10.0.0.1', '192.168.0.1', '224.0.0.1', bob.unl.wan]) {
      await pyp2p.tell(bob.unl, `REVERSE_CONNECT:${formatUnl(pyp2p.unl({ wan, port }))}:${nonce}`);
    }
    for (let count = 0; count < 20; count++) {
      await pyp2p.tell(bob.unl, `REVERSE_CONNECT:${formatUnl(pyp2p.unl({ port }))}:${nonce}`);
    }
    await pyp2p.tell(bob.unl, 'no message at all');
    await socket;
    const last = firstValueFrom(bob.net.trace$.pipe(filter(({ type }) => type === 'dropped')));
    await pyp2p.tell(bob.unl, `REVERSE_QUERY:${formatUnl(pyp2p.unl())}`);
    await last;
    expect(await pyp2p.heard()).toMatch(/^REVERSE_QUERY:/);
    const dialled = steps.flatMap((step) => (step.type === 'dial' && step.outcome === 'started' ? step.endpoint : []));
    expect(dialled).toEqual([{ address: publicNameOf(pyp2p.address), port }]);
  });

  it('is not used without mailboxes, or by a net that others cannot dial', async () => {
    const ports = await servers();
    const bob = await start(ports);
    for (const config of [{ ...passive, mailbox: [] }, {}]) {
      const { net } = await start(ports, config);
      const failure = await failureOf(net.connect$(formatUnl(bob.unl), reversed));
      expect(failure).toEqual(jasmine.objectContaining({ code: 'CONNECT_FAILED' }));
    }
  });
});
