import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, formatUnl, parseUnl } from '../../lib/index.js';
import { commands, COMMAND_LIMIT_MS, SERVE } from '../support/commands.js';
import { needsMosquitto, startMosquitto } from '../support/mosquitto.js';
import { Lab, newAddress, addressOf } from '../support/nodes.js';
import type { Program } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';
import { freeEndpoint } from '../support/free-port.js';

describe('rxp2p', () => {
  const lab = new Lab();
  const { rxp2p, rxp2pWith, listening } = commands();
  afterEach(() => lab.close());

  it(
    'names a server that cannot be reached, and goes on',
    async () => {
      const { program } = await listening('--rendezvous', 'nosuch.invalid:8000', '--no-port-mapping');
      const named = /^rendezvous server nosuch\.invalid:8000 cannot be reached \(E[A-Z_]+\), trying again$/m;
      await program.until('it names the server', ({ stderr }) => named.test(stderr));
    },
    COMMAND_LIMIT_MS,
  );

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
      COMMAND_LIMIT_MS,
    );

    it(
      'tell whether others can dial them, as a server that dials back has seen it',
      async () => {
        leftToCi();
        const server = rxp2p(...SERVE);
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
      COMMAND_LIMIT_MS,
    );

    it(
      'look at nothing from outside when they are told that the port is forwarded',
      async () => {
        leftToCi();
        const server = rxp2p(...SERVE);
        await server.line(/^http /);
        const http = `http://${server.lines[1]?.slice('http '.length) ?? ''}`;
        const { program } = await listening('--json', '--forwarded', '--reachability', http);
        program.signal('SIGINT');
        expect(await program.exit()).toBe(0);
        expect(program.events.map(({ event }) => event)).not.toContain('reach');
        expect(program.events.map(({ event }) => event)).not.toContain('port-mapping');
      },
      COMMAND_LIMIT_MS,
    );

    it(
      'echo, and give the answers before the end',
      async () => {
        leftToCi();
        const { unl } = await listening('--echo');
        const peer = rxp2p('connect', unl, '--bind', newAddress());
        peer.endOfInput('one\ntwo\n');
        expect(await peer.exit()).toBe(0);
        expect(peer.lines).toEqual(['one', 'two']);
      },
      COMMAND_LIMIT_MS,
    );

    it(
      'meet at a relay of the server that both know, or at the one that they are told',
      async () => {
        leftToCi();
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
      COMMAND_LIMIT_MS,
    );

    it(
      'meet at a relay, by signals of an MQTT broker alone, whose password is told nowhere',
      async () => {
        leftToCi();
        needsMosquitto();
        const { port, url } = await startMosquitto(lab, { user: { name: 'me', password: 's:ecret' } });
        const byBroker = { RXP2P_MQTT: `mqtt://nobody@127.0.0.1:1,mqtt://me:s%3Aecret@127.0.0.1:${port}` };
        const server = rxp2p(...SERVE);
        await server.line(/^http /);
        const relay = ['--relay', `http://${server.lines[1]?.slice('http '.length) ?? ''}`, '--json'];
        const listener = rxp2pWith(byBroker, 'listen', '--bind', newAddress(), ...relay);
        await listener.until('its first line', ({ lines }) => lines.length > 0);
        const [unl = ''] = listener.lines;
        const named = parseUnl(unl);
        expect(named.version === 3 && named.mqtt).toEqual(['mqtt://127.0.0.1:1', url]);
        await listener.until('it is there', ({ events }) => events.some((event) => event['server'] === url));

        const connect = ['connect', unl, '--bind', newAddress(), '--technique', 'relay', ...relay];
        const peer = rxp2pWith(byBroker, ...connect);
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
      COMMAND_LIMIT_MS,
    );

    it(
      'send what the listener types to all who are connected',
      async () => {
        leftToCi();
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
      COMMAND_LIMIT_MS,
    );

    it(
      'end with 1 and the reason of each technique when nobody answers',
      async () => {
        leftToCi();
        const endpoint = await freeEndpoint(newAddress());
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
      COMMAND_LIMIT_MS,
    );

    it(
      'keep the key in a file that only its owner can read, and are the same node the next time',
      async () => {
        leftToCi();
        const folder = await mkdtemp(join(tmpdir(), 'rxp2p-'));
        const key = join(folder, 'key.pem');
        const { program: first } = await listening('--key', key, '--json');
        expect((await stat(key)).mode & 0o777).toBe(0o600);
        const { program: second } = await listening('--key', key, '--json');
        expect((await second.event('ready'))['peerId']).toBe((await first.event('ready'))['peerId']);
        await rm(folder, { recursive: true });
      },
      COMMAND_LIMIT_MS,
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
      COMMAND_LIMIT_MS,
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
    COMMAND_LIMIT_MS,
  );

  it(
    'ends with 2 and a hint when it is asked wrongly',
    async () => {
      leftToCi();
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
        [...SERVE, '--bind', 'here'],
        ['listen', '--once'],
        ['listen', '--raw', '--echo'],
        ['receive', '--yes', 'seven-otter-violet'],
        ['connect', 'g'.repeat(200)],
      ].map((args) => rxp2p(...args));
      expect(await Promise.all(wrong.map((program) => program.exit()))).toEqual(wrong.map(() => 2));
      expect(wrong[3]?.stderr).toContain('Expected a code such as 7-otter-violet, or the long text that');
      expect(wrong[5]?.stderr).toContain('Expected an integer from 0 to 65535');
      expect(wrong[6]?.stderr).toContain('HOST:PORT');
      expect(wrong[7]?.stderr).toContain('an IP address of this machine');
      expect(wrong[8]?.stderr).toContain('http://HOST:PORT');
      for (const program of wrong.slice(11, 13)) expect(program.stderr).toContain('the IPv4 address');
      for (const program of wrong.slice(13, 15)) expect(program.stderr).toContain('of no use without `dhtPort`');
      expect(wrong[15]?.stderr).toContain('HOST:PORT');
      expect(wrong[16]?.stderr).toContain('mqtts://HOST');
      expect(wrong[16]?.stderr).not.toContain('secret');
      expect(wrong[17]?.stderr).toContain('Expected `bind` to be an IP address of this machine, got `here`');
      expect(wrong[18]?.stderr).toContain('`--once` is of use with `--raw` alone');
      expect(wrong[19]?.stderr).toContain("'--raw' cannot be used with option '--echo'");
      expect(wrong[20]?.stderr).toContain('Expected a code such as 7-otter-violet, or the long text that');
      expect(wrong[21]?.stderr).toContain('Expected a UNL');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'suggests what was meant where a command or an option is none',
    async () => {
      const [command, option] = [rxp2p('conect'), rxp2p('listen', '--rendevous', '127.0.0.1:8000')];
      expect([await command.exit(), await option.exit()]).toEqual([2, 2]);
      expect(command.stderr).toContain('Did you mean connect?');
      expect(option.stderr).toContain('Did you mean --rendezvous?');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'explains itself',
    async () => {
      const commands = [
        'serve',
        'listen',
        'connect',
        'join',
        'room',
        'doctor',
        'expose',
        'forward',
        'ping',
        'completion',
      ];
      const helps = [['--help'], ...commands.map((command) => [command, '--help'])];
      const programs = helps.map((args) => rxp2p(...args));
      expect(await Promise.all(programs.map((program) => program.exit()))).toEqual(helps.map(() => 0));
      expect(programs[3]?.stdout).toContain('like nc');
    },
    COMMAND_LIMIT_MS,
  );
});
