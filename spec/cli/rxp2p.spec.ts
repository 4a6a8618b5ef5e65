import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, formatUnl, parseUnl } from '../../lib/index.js';
import { encode } from '../../lib/signalling/carriers/mailbox-messages.js';
import { LineClient } from '../support/line-client.js';
import { call, MailboxCaller } from '../support/mailbox.js';
import { needsMosquitto, startMosquitto } from '../support/mosquitto.js';
import { Lab, newAddress, addressOf } from '../support/nodes.js';
import { Program, RXP2P } from '../support/program.js';
import { putCertificate, webCertificate } from '../support/web-certificate.js';
import { bytesOf, closing, joined, RelayNode, relayRefusalOf } from '../support/relay.js';

// Each process of Node takes its time to start, more so on a busy machine.
const LONG_MS = 120_000;

const SERVE = ['serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0'];

describe('rxp2p', () => {
  const lab = new Lab();
  const programs: Program[] = [];

  function rxp2p(...args: readonly string[]): Program {
    const program = new Program(RXP2P, args);
    programs.push(program);
    return program;
  }

  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
    await lab.close();
  });

  /** A listening program, and its locator. */
  async function listening(...args: readonly string[]): Promise<{ program: Program; unl: string }> {
    const program = rxp2p('listen', '--bind', newAddress(), ...args);
    await program.until('its first line', ({ lines }) => lines.length > 0);
    return { program, unl: program.lines[0] ?? '' };
  }

  it(
    'names a server that cannot be reached, and goes on',
    async () => {
      const { program } = await listening('--rendezvous', 'nosuch.invalid:8000', '--no-port-mapping');
      const named = /^rendezvous server nosuch\.invalid:8000 cannot be reached \(E[A-Z_]+\), trying again$/m;
      await program.until('it names the server', ({ stderr }) => named.test(stderr));
    },
    LONG_MS,
  );

  describe('serve', () => {
    it(
      'has a certificate, and nodes come to one HTTPS port for everything',
      async () => {
        const folder = await mkdtemp(join(tmpdir(), 'rxp2p-tls-'));
        const { certFile, keyFile } = putCertificate((name) => join(folder, name), webCertificate('localhost'));
        const server = rxp2p(...SERVE, '--tls-cert', certFile, '--tls-key', keyFile);
        await server.line(/^http /);
        const name = `wss://localhost:${server.lines[1]?.split(':')[1] ?? ''}`;
        const { unl } = await listening('--rendezvous', name, '--ca', certFile, '--no-port-mapping');
        const caller = rxp2p('connect', unl, '--rendezvous', name, '--ca', certFile, '--technique', 'relay');
        await caller.until('it is connected', ({ stderr }) => stderr.includes('relayed'));
        const wrong = rxp2p('listen', '--rendezvous', name, '--ca', join(folder, 'nosuch'));
        expect(await wrong.exit()).toBe(2);
        expect(wrong.stderr).toMatch(/`--ca` cannot be read/);
        await rm(folder, { recursive: true });
      },
      LONG_MS,
    );

    it(
      'has a key of its own, and prints the name by which nodes come, encrypted',
      async () => {
        const folder = await mkdtemp(join(tmpdir(), 'rxp2p-key-'));
        const names: string[] = [];
        for (let run = 0; run < 2; run++) {
          const server = rxp2p(...SERVE, '--key', join(folder, 'key'));
          await server.line(/^rxp2p:/);
          const name = server.lines.find((line) => line.startsWith('rxp2p:')) ?? '';
          expect(name).toMatch(/^rxp2p:\/\/[\w-]{43}@127\.0\.0\.1:\d+$/);
          expect(server.lines).toContain(`rendezvous ${name.split('@')[1] ?? ''}`);
          names.push(name.split('@')[0] ?? '');
          const { unl } = await listening('--rendezvous', name, '--no-port-mapping');
          // By the server in the locator.
          const caller = rxp2p('connect', unl);
          await caller.until('it is connected', ({ stderr }) => stderr.includes('connected'));
          server.signal('SIGTERM');
        }
        expect(names[0]).toBe(names[1]);
        await rm(folder, { recursive: true });
      },
      LONG_MS,
    );

    it(
      'prints each endpoint, serves there, and ends cleanly on a signal',
      async () => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) {
          const server = rxp2p('serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0');
          await server.line(/^http 127\.0\.0\.1:\d+$/);
          expect(server.lines[0]).toMatch(/^rendezvous 127\.0\.0\.1:\d+$/);
          const http = server.lines[1]?.slice('http '.length) ?? '';
          expect(await (await fetch(`http://${http}/address`)).json()).toEqual(
            jasmine.objectContaining({ address: '127.0.0.1' }),
          );
          expect(await (await fetch(`http://${http}/net.php?action=get_wan_ip`)).text()).toBe('127.0.0.1');
          expect((await fetch(`http://${http}/secret`)).status).toBe(404);
          server.signal(signal);
          expect(await server.exit()).toBe(0);
        }
      },
      LONG_MS,
    );

    it(
      'refuses what was signed for a server of another name than its own',
      async () => {
        const names = ['--host', 'rv.example.org:8080', '--host', 'mail.example.org'];
        const server = rxp2p('serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0', ...names);
        await server.line(/^http /);
        const http = new URL(`http://${server.lines[1]?.slice('http '.length) ?? ''}`);
        const where = { host: http.hostname, port: Number(http.port) };
        const bob = new MailboxCaller(where);
        const statuses: number[] = [];
        for (const host of ['rv.example.org:8080', 'mail.example.org', http.host]) {
          const body = encode({ owner: bob.peerId, at: bob.at(), waitMs: 0, acknowledge: [], holding: [] });
          const headers = { authorization: bob.sign('take', body, host), host };
          statuses.push((await call(where, '/mailbox/take', body, headers)).status);
        }
        expect(statuses).toEqual([200, 200, 401]);
      },
      LONG_MS,
    );

    it(
      'joins nodes that cannot reach each other, within limits, and tells what it does',
      async () => {
        const server = rxp2p(
          ...SERVE,
          '--json',
          '--relay-sessions',
          '1',
          '--relay-bytes',
          '10',
          '--relay-rate',
          '1000',
        );
        await server.line(/^http /);
        expect(await server.event('relay')).toEqual(
          jasmine.objectContaining({
            event: 'relay',
            sessions: 0,
            waiting: 0,
            joined: 0,
            bytes: 0,
            refused: {},
            cut: { unpaired: 0, idle: 0, bytes: 0, unread: 0, gaveWay: 0 },
          }),
        );
        const listening = server.events.filter(({ event }) => event === 'listening');
        expect(
          listening.map(({ name, address, port }) => `${String(name)} ${String(address)}:${String(port)}`),
        ).toEqual([...server.lines]);
        const where = { host: '127.0.0.1', port: Number(listening[1]?.['port']) };
        const [here, there] = await joined(new RelayNode(where), new RelayNode(where));
        expect(relayRefusalOf(await new RelayNode(where).ask({}))).toBe('server-full');
        here.write('0123456789');
        expect(await bytesOf(there, 10)).toBe('0123456789');
        here.write('x');
        await Promise.all([closing(here), closing(there)]);
      },
      LONG_MS,
    );

    it(
      'logs one JSON object a line where stderr is no terminal, as much as it is told to',
      async () => {
        const server = rxp2p(...SERVE, '--log-level', 'debug');
        await server.line(/^http /);
        const [host = '', port = ''] = (server.lines[0] ?? '').slice('rendezvous '.length).split(':');
        const client = await LineClient.to({ address: host, port: Number(port) });
        await client.ask('HELLO 99');
        client.socket.destroy();
        await server.event('refused');
        server.signal('SIGTERM');
        expect(await server.exit()).toBe(0);
        expect(server.stderr.split('\n').slice(0, -1).length).toBe(server.events.length);
        expect(server.events.map(({ event }) => event)).toEqual([
          'listening',
          'listening',
          'relay',
          'refused',
          'draining',
          'ended',
        ]);
        expect(await server.event('refused')).toEqual({
          level: 'debug',
          time: jasmine.stringMatching(/^\d{4}-\d\d-\d\dT/),
          event: 'refused',
          server: 'rendezvous',
          reason: 'bad-version',
          network: '127.0.0.0/24',
          msg: 'rendezvous refused 127.0.0.0/24: bad-version',
        });
        const silent = rxp2p(...SERVE, '--log-level', 'silent');
        await silent.line(/^http /);
        silent.signal('SIGTERM');
        await silent.exit();
        expect(silent.stderr).toBe('');
      },
      LONG_MS,
    );

    it(
      'is looked at where it is told, and takes options from a file and prints them',
      async () => {
        const folder = await mkdtemp(join(tmpdir(), 'rxp2p-config-'));
        const key = ['--key', join(folder, 'server.key')];
        const printing = rxp2p(...SERVE, ...key, '--no-relay', '--admin', '0', '--print-config');
        expect(await printing.exit()).toBe(0);
        // It has made no key.
        expect(await readdir(folder)).toEqual([]);
        const file = join(folder, 'rxp2p.json');
        await writeFile(file, printing.stdout);
        const server = rxp2p('serve', '--config', file);
        await server.line(/^rxp2p:/);
        const [, , admin = ''] = server.lines;
        const ports = server.lines.slice(0, 3).map((line) => line.split(' ')[0]);
        expect(ports).toEqual(['rendezvous', 'http', 'admin']);
        expect(await readdir(folder)).toEqual(['rxp2p.json', 'server.key']);
        expect((await fetch(`http://${admin.slice('admin '.length)}/readyz`)).status).toBe(200);
        const http = server.lines[1]?.slice('http '.length) ?? '';
        expect((await fetch(`http://${http}/relay`)).status).toBe(404);
        await writeFile(file, '{"htpPort": 1}');
        const wrong = rxp2p('serve', '--config', file);
        expect(await wrong.exit()).toBe(2);
        expect(wrong.stderr).toContain('got `htpPort`');
        await rm(folder, { recursive: true });
      },
      LONG_MS,
    );

    it(
      'lets a pair at the relay end within the time that it is given, and ends at once on a second signal',
      async () => {
        for (const [seconds, times, status] of [
          ['0', 1, 0],
          ['86400', 2, 'SIGTERM'],
        ] as const) {
          const server = rxp2p(...SERVE, '--drain', seconds);
          await server.line(/^http /);
          const where = { host: '127.0.0.1', port: Number(server.lines[1]?.split(':')[1]) };
          const [here, there] = await joined(new RelayNode(where), new RelayNode(where));
          server.signal('SIGTERM');
          if (times === 2) {
            await server.event('draining');
            here.write('still here');
            expect(await bytesOf(there, 10)).toBe('still here');
            server.signal('SIGTERM');
          }
          expect(await server.exit()).toBe(status);
          for (const socket of [here, there]) socket.destroy();
        }
      },
      LONG_MS,
    );

    it(
      'has no relay where none is wanted',
      async () => {
        const server = rxp2p(...SERVE, '--no-relay');
        await server.line(/^http /);
        const port = Number(server.lines[1]?.split(':')[1]);
        expect((await new RelayNode({ host: '127.0.0.1', port }).ask({})).status).toBe(404);
        const wrong = rxp2p(...SERVE, '--no-relay', '--relay-bytes', '1');
        expect(await wrong.exit()).toBe(2);
      },
      LONG_MS,
    );

    it(
      'tells when the folder cannot be used, and ends',
      async () => {
        const local = ['--bind', '127.0.0.1', '--port', '0', '--http-port', '0'];
        const server = rxp2p('serve', ...local, '--data', '/proc/nope');
        expect(await server.exit()).toBe(1);
        expect(server.stderr).toContain('The folder /proc/nope cannot be used');
        expect(server.stderr).toContain('choose another');
      },
      LONG_MS,
    );

    it(
      'tells when the port is taken',
      async () => {
        const { local } = await lab.server();
        const server = rxp2p('serve', '--bind', '127.0.0.1', '--port', String(local.port), '--http-port', '0');
        expect(await server.exit()).toBe(1);
        expect(server.stderr).toContain('EADDRINUSE');
        expect(server.stderr).toContain('Choose another');
      },
      LONG_MS,
    );
  });

  describe('listen and connect', () => {
    it(
      'pass lines like nc, and end after all of stdin is delivered',
      async () => {
        const { address } = await lab.server();
        const { program: listener, unl } = await listening('--rendezvous', address, '--json');
        const ready = await listener.event('ready');
        expect(ready['unl']).toBe(unl);
        // On a slow machine another technique may be first.
        const only = ['--technique', 'direct'];
        const peer = rxp2p('connect', unl, '--rendezvous', address, '--bind', newAddress(), '--json', ...only);
        await listener.event('connected');
        listener.type('from the listener\n');
        await peer.line('from the listener');
        const lines = Array.from({ length: 5000 }, (_, index) => `line ${index} ünïcödé`);
        peer.endOfInput(lines.join('\n'));
        expect(await peer.exit()).toBe(0);
        await listener.event('closed');
        expect(listener.lines.slice(1)).toEqual(lines);
        expect(peer.lines).toEqual(['from the listener']);
        const connected = await peer.event('connected');
        expect(Object.keys(connected).sort()).toEqual(
          ['event', 'peerId', 'technique', 'direct', 'elapsedMs', 'local', 'remote'].sort(),
        );
        expect(connected).toEqual(
          jasmine.objectContaining({ technique: 'direct', direct: true, peerId: ready['peerId'] }),
        );
        expect(await peer.event('attempt')).toEqual(
          jasmine.objectContaining({ technique: 'direct', outcome: 'succeeded', elapsedMs: jasmine.any(Number) }),
        );
        expect(await peer.event('closed')).toEqual(jasmine.objectContaining({ reason: 'closed' }));
      },
      LONG_MS,
    );

    it(
      'tell whether others can dial them, as a server that dials back has seen it',
      async () => {
        const server = rxp2p('serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0');
        await server.line(/^http /);
        const http = `http://${server.lines[1]?.slice('http '.length) ?? ''}`;
        // The first server is not there. Nor is any gateway to be asked, which would not be on loopback.
        const named = ['--reachability', 'http://127.0.0.1:9', '--reachability', http, '--no-port-mapping'];
        const { program } = await listening('--json', ...named);
        const reach = await program.event('reach');
        expect(reach).toEqual(
          jasmine.objectContaining({
            family: 4,
            reachable: true,
            endpoint: jasmine.stringMatching(/^127\./),
            behindAnotherNat: false,
            elapsedMs: jasmine.any(Number),
            words: jasmine.stringContaining('Others can dial this node'),
          }),
        );
        expect(Object.keys(reach)).not.toContain('protocol');
      },
      LONG_MS,
    );

    it(
      'look at nothing from outside when they are told that the port is forwarded',
      async () => {
        const server = rxp2p('serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0');
        await server.line(/^http /);
        const http = `http://${server.lines[1]?.slice('http '.length) ?? ''}`;
        const { program } = await listening('--json', '--forwarded', '--reachability', http);
        program.signal('SIGINT');
        expect(await program.exit()).toBe(0);
        expect(program.events.map(({ event }) => event)).not.toContain('reach');
        expect(program.events.map(({ event }) => event)).not.toContain('port-mapping');
      },
      LONG_MS,
    );

    it(
      'echo, and give the answers before the end',
      async () => {
        const { unl } = await listening('--echo');
        const peer = rxp2p('connect', unl, '--bind', newAddress());
        peer.endOfInput('one\ntwo\n');
        expect(await peer.exit()).toBe(0);
        expect(peer.lines).toEqual(['one', 'two']);
      },
      LONG_MS,
    );

    it(
      'meet at a relay of the server that both know, or at the one that they are told',
      async () => {
        const server = rxp2p(...SERVE);
        await server.line(/^http /);
        const [rendezvous = '', http = ''] = server.lines.map((line) => line.replace(/^[a-z]+ /, ''));
        const { program: listener, unl } = await listening('--rendezvous', rendezvous, '--echo', '--json');
        const byRelay = ['connect', unl, '--bind', newAddress(), '--technique', 'relay'];
        const peer = rxp2p(...byRelay, '--json');
        peer.endOfInput('one\n');
        expect(await peer.exit()).toBe(0);
        expect(peer.lines).toEqual(['one']);
        const way = { technique: 'relay', direct: false };
        expect(await peer.event('connected')).toEqual(jasmine.objectContaining({ ...way, remote: http }));
        expect(await listener.event('connected')).toEqual(jasmine.objectContaining(way));

        const told = rxp2p(...byRelay, '--relay', `http://${http}`);
        told.endOfInput('two\n');
        expect(await told.exit()).toBe(0);
        expect(told.stderr).toMatch(/\(relay, relayed, /);
        const without = rxp2p(...byRelay, '--no-relay');
        expect(await without.exit()).toBe(1);
        expect(without.stderr).toMatch(/relay: This node uses no relays/);
      },
      LONG_MS,
    );

    it(
      'meet at a relay, by signals of an MQTT broker alone, whose password is told nowhere',
      async () => {
        needsMosquitto();
        const { port, url } = await startMosquitto(lab, { user: { name: 'me', password: 's:ecret' } });
        const byBroker = { RXP2P_MQTT: `mqtt://nobody@127.0.0.1:1,mqtt://me:s%3Aecret@127.0.0.1:${port}` };
        const server = rxp2p(...SERVE);
        await server.line(/^http /);
        const relay = ['--relay', `http://${server.lines[1]?.slice('http '.length) ?? ''}`, '--json'];
        const listener = new Program(RXP2P, ['listen', '--bind', newAddress(), ...relay], byBroker);
        programs.push(listener);
        await listener.until('its first line', ({ lines }) => lines.length > 0);
        const [unl = ''] = listener.lines;
        const named = parseUnl(unl);
        expect(named.version === 3 && named.mqtt).toEqual(['mqtt://127.0.0.1:1', url]);
        await listener.until('it is there', ({ events }) => events.some((event) => event['server'] === url));

        const connect = ['connect', unl, '--bind', newAddress(), '--technique', 'relay', ...relay];
        const peer = new Program(RXP2P, connect, byBroker);
        programs.push(peer);
        peer.endOfInput('by a broker\n');
        expect(await peer.exit()).toBe(0);
        await listener.line('by a broker');
        expect(await listener.event('connected')).toEqual(jasmine.objectContaining({ technique: 'relay' }));
        // By the broker that the locator names, which refuses who has no password.
        const stranger = rxp2p(...connect);
        expect(await stranger.exit()).toBe(1);
        expect(stranger.stderr).toMatch(/the MQTT server mqtt:\/\/127\.0\.0\.1:\d+ refuses: /);
        for (const { stdout, stderr } of [listener, peer, stranger]) expect(stdout + stderr).not.toContain('ecret');
      },
      LONG_MS,
    );

    it(
      'send what the listener types to all who are connected',
      async () => {
        const { program: listener, unl } = await listening('--json');
        const peers = [1, 2].map(() => rxp2p('connect', unl, '--bind', newAddress()));
        await listener.until(
          'two peers',
          ({ events }) => events.filter(({ event }) => event === 'connected').length === 2,
        );
        listener.type('to all\n');
        await Promise.all(peers.map((peer) => peer.line('to all')));
        listener.signal('SIGINT');
        expect(await listener.exit()).toBe(0);
        // The other side has ended in order, so that they have, too.
        expect(await Promise.all(peers.map((peer) => peer.exit()))).toEqual([0, 0]);
      },
      LONG_MS,
    );

    it(
      'end with 1 and the reason of each technique when nobody answers',
      async () => {
        const dead = createServer().listen(0, newAddress());
        await once(dead, 'listening');
        const endpoint = addressOf(dead);
        dead.close();
        const unl = formatUnl({
          version: 3,
          peerId: createIdentity().peerId,
          nodeType: 'passive',
          natType: { type: 'open' },
          endpoints: [{ kind: 'wan', ...endpoint }],
          rendezvous: [],
          mailboxes: [],
          dht: [],
          mqtt: [],
          extensions: [],
        });
        const words = rxp2p('connect', unl, '--bind', newAddress(), '--technique', 'direct', '--timeout', '5');
        const json = rxp2p('connect', unl, '--bind', newAddress(), '--json');
        expect(await words.exit()).toBe(1);
        expect(words.stderr).toMatch(/no connection could be made\n {2}direct: .*ECONNREFUSED/);
        expect(await json.exit()).toBe(1);
        expect(await json.event('attempt')).toEqual(
          jasmine.objectContaining({
            technique: 'direct',
            outcome: 'failed',
            reason: jasmine.stringContaining('ECONNREFUSED'),
          }),
        );
      },
      LONG_MS,
    );

    it(
      'keep the key in a file that only its owner can read, and are the same node the next time',
      async () => {
        const folder = await mkdtemp(join(tmpdir(), 'rxp2p-'));
        const key = join(folder, 'key.pem');
        const { program: first } = await listening('--key', key, '--json');
        expect((await stat(key)).mode & 0o777).toBe(0o600);
        const { program: second } = await listening('--key', key, '--json');
        expect((await second.event('ready'))['peerId']).toBe((await first.event('ready'))['peerId']);
        await rm(folder, { recursive: true });
      },
      LONG_MS,
    );

    it(
      'end on Ctrl-C at any moment',
      async () => {
        const { unl } = await listening();
        const connected = rxp2p('connect', unl, '--bind', newAddress(), '--json');
        await connected.event('connected');
        connected.signal('SIGINT');
        expect(await connected.exit()).toBe(0);

        const silent = createServer().listen(0, newAddress());
        await once(silent, 'listening');
        const waiting = rxp2p(
          'connect',
          formatUnl({
            version: 3,
            peerId: createIdentity().peerId,
            nodeType: 'passive',
            natType: { type: 'open' },
            endpoints: [{ kind: 'wan', ...addressOf(silent) }],
            rendezvous: [],
            mailboxes: [],
            dht: [],
            mqtt: [],
            extensions: [],
          }),
          '--bind',
          newAddress(),
          '--json',
        );
        await waiting.event('connecting');
        waiting.signal('SIGINT');
        expect(await waiting.exit()).toBe(1);
        silent.close();
      },
      LONG_MS,
    );
  });

  it(
    'joins a flooding network, and relays',
    async () => {
      const { address } = await lab.server();
      const nodes = [1, 2, 3].map(() => rxp2p('join', '--rendezvous', address, '--bind', newAddress(), '--json'));
      const ids = await Promise.all(nodes.map(async (node) => (await node.event('ready'))['peerId']));
      const isConnectedTo = (id: unknown) => (node: Program) =>
        node.events.some(({ event, peerId }) => event === 'connected' && peerId === id);
      // Who dials knows of a connection before the other does.
      for (const [i, node] of nodes.entries()) {
        const { peerId } = await node.event('connected');
        await nodes[ids.indexOf(peerId)]?.until('knowing of a connection', isConnectedTo(ids[i]));
      }
      nodes[0]?.type('hello network\n');
      await Promise.all(nodes.slice(1).map((node) => node.line('hello network')));
      expect(nodes[0]?.lines).toEqual([]);
      for (const node of nodes) node.signal('SIGTERM');
      expect(await Promise.all(nodes.map((node) => node.exit()))).toEqual([0, 0, 0]);
    },
    LONG_MS,
  );

  it(
    'ends with 2 and a hint when it is asked wrongly',
    async () => {
      const wrong = [
        [],
        ['dance'],
        ['connect'],
        ['connect', 'garbage'],
        ['connect', 'garbage', '--technique', 'magic'],
        ['listen', '--port', '99999'],
        ['listen', '--rendezvous', 'nowhere'],
        ['listen', '--bind', 'here'],
        ['listen', '--reachability', 'nowhere'],
        ['listen', '--port-mapping', 'ftp'],
        ['serve', '--port', 'x'],
        [...SERVE, '--dht-port', '0', '--dht-address', 'foo'],
        [...SERVE, '--dht-port', '0', '--dht-address', '2001:db8::1'],
        [...SERVE, '--dht-address', '127.0.0.1'],
        [...SERVE, '--dht-bootstrap', '127.0.0.1:9'],
        [...SERVE, '--host', 'http://rv.example.org/'],
        ['listen', '--mqtt', 'mqtts://me:secret@broker.example/path'],
      ].map((args) => rxp2p(...args));
      expect(await Promise.all(wrong.map((program) => program.exit()))).toEqual(wrong.map(() => 2));
      expect(wrong[3]?.stderr).toContain('Expected a UNL');
      expect(wrong[5]?.stderr).toContain('Expected an integer from 0 to 65535');
      expect(wrong[6]?.stderr).toContain('HOST:PORT');
      expect(wrong[7]?.stderr).toContain('an IP address of this machine');
      expect(wrong[8]?.stderr).toContain('http://HOST:PORT');
      for (const program of wrong.slice(11, 13)) expect(program.stderr).toContain('the IPv4 address');
      for (const program of wrong.slice(13, 15)) expect(program.stderr).toContain('of no use without `dhtPort`');
      expect(wrong[15]?.stderr).toContain('HOST:PORT');
      expect(wrong[16]?.stderr).toContain('mqtts://HOST');
      expect(wrong[16]?.stderr).not.toContain('secret');
    },
    LONG_MS,
  );

  it(
    'explains itself',
    async () => {
      const helps = [['--help'], ['serve', '--help'], ['listen', '--help'], ['connect', '--help'], ['join', '--help']];
      const programs = helps.map((args) => rxp2p(...args));
      expect(await Promise.all(programs.map((program) => program.exit()))).toEqual(helps.map(() => 0));
      expect(programs[3]?.stdout).toContain('like nc');
    },
    LONG_MS,
  );
});
