import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createIdentity, formatUnl } from '../lib/index.js';
import { temporaryFolder } from './support/folder.js';
import { needsMosquitto } from './support/mosquitto.js';
import { example, Program, RXP2P } from './support/program.js';
import { needsCoturn } from './support/stun.js';
import { leftToCi } from './support/left-to-ci.js';

const LONG_MS = 240_000;

describe('The examples', () => {
  it(
    'demo: two processes exchange their lines',
    async () => {
      const demo = new Program(example('demo'));
      expect(await demo.exit()).toBe(0);
      expect(demo.stdout).toContain('bob      received "Sup Bob."');
      expect(demo.stdout).toContain('alice    received "Sup Alice."');
    },
    LONG_MS,
  );

  it(
    'meet: Alice and Bob meet by servers of others',
    async () => {
      leftToCi();
      needsMosquitto();
      needsCoturn();
      const meet = new Program(example('meet'));
      expect(await meet.exit()).toBe(0);
      const said = meet.lines.filter((line) => /^(?:alice|bob|meet) /.test(line) && !line.includes('listens on'));
      const lines = ['bob      got "Sup Bob."', 'alice    got "Sup Alice."'];
      const by = (way: string) => [`alice    is connected ${way}; the peer has proven Bob's key`, ...lines];
      expect(said).toEqual([
        ...by('directly (direct)'),
        'bob      is seen at 127.0.0.3, his NAT is of the type open',
        ...by('directly (direct)'),
        ...by('by a relay (turn)'),
        ...by('by a relay (turn)'),
        'meet     they have met in 4 ways',
      ]);
    },
    LONG_MS,
  );

  it(
    'meet: Alice and Bob leave when the process that has started them is gone',
    async () => {
      leftToCi();
      const bob = fork(example('meet'), ['bob', 'lan'], { stdio: 'ignore' });
      const ended = once(bob, 'exit');
      await once(bob, 'message');
      bob.disconnect();
      await ended;
      expect(bob.exitCode).toBe(0);
    },
    LONG_MS,
  );

  it(
    'meet: what is missing is told, with what to install',
    async () => {
      leftToCi();
      // Of the folders where it looks, servers may be in those alone that no PATH has to name.
      const meet = new Program(example('meet'), [], { PATH: '/nowhere' });
      expect(await meet.exit()).toBe(0);
      const missing = /^turn {5}left out, without turnserver: apt install coturn, or on macOS brew install coturn$/m;
      expect(meet.stdout).toMatch(missing);
    },
    LONG_MS,
  );

  it(
    'direct: Alice connects to Bob by his locator',
    async () => {
      leftToCi();
      const direct = new Program(example('direct'));
      expect(await direct.exit()).toBe(0);
      expect(direct.lines.slice(1)).toEqual([
        'Connected: direct, straight to him',
        'Bob got:   Sup Bob.',
        'Alice got: Sup Alice.',
      ]);
    },
    LONG_MS,
  );

  it(
    'reverse: Bob, who was away, dials Alice',
    async () => {
      leftToCi();
      const reverse = new Program(example('reverse'));
      expect(await reverse.exit()).toBe(0);
      expect(reverse.lines).toEqual([
        'Alice has asked Bob to dial her; her message is kept',
        'Bob is back',
        'Connected: reverse-connect',
        'Bob got:   Sup Bob.',
        'Alice got: Sup Alice.',
      ]);
    },
    LONG_MS,
  );

  it(
    'channels: a file, a chat and a refusal beside each other',
    async () => {
      leftToCi();
      const channels = new Program(example('channels'));
      expect(await channels.exit()).toBe(0);
      expect(channels.lines).toEqual([
        'Bob says: hello yourself',
        'Bob says: how are you yourself',
        'Bob says: goodbye yourself',
        'The file has arrived whole',
        'A channel of another name is refused',
      ]);
    },
    LONG_MS,
  );

  it(
    'transfer: a file arrives as it is',
    async () => {
      leftToCi();
      const transfer = new Program(example('transfer'));
      expect(await transfer.exit()).toBe(0);
      expect(transfer.stdout).toMatch(/^package-lock\.json: \d+ bytes, the same on both sides/);
    },
    LONG_MS,
  );

  it(
    'forward: a web server at the peer is opened by a local port',
    async () => {
      leftToCi();
      const forward = new Program(example('forward'));
      expect(await forward.exit()).toBe(0);
      expect(forward.lines).toEqual(["Alice sees: Bob's page at /", "Alice sees: Bob's page at /photos"]);
    },
    LONG_MS,
  );

  it(
    'remote: a ticker goes on while its connection moves',
    async () => {
      const remote = new Program(example('remote'));
      expect(await remote.exit()).toBe(0);
      expect(remote.lines).toEqual([
        'The prices come by a relay (relay)',
        'The prices come directly (patient)',
        '100 prices of ACME, each once and in order',
        'Bought 7 ACME',
        'Not bought: RangeError: Only 10 of ACME are left',
      ]);
    },
    LONG_MS,
  );

  it(
    'serverless: a DHT carries the message',
    async () => {
      leftToCi();
      const serverless = new Program(example('serverless'));
      expect(await serverless.exit()).toBe(0);
      expect(serverless.stdout).toContain('Bob got a signal by the dht');
      expect(serverless.stdout).toContain('Alice got: Sup Alice.');
    },
    LONG_MS,
  );

  it(
    'moving: the lines move from a relay to a direct link',
    async () => {
      leftToCi();
      const moving = new Program(example('moving'));
      expect(await moving.exit()).toBe(0);
      expect(moving.lines).toEqual([
        'The lines go by a relay (relay)',
        'The lines go directly (patient)',
        'Bob got all 200 lines, each once and in order',
      ]);
    },
    LONG_MS,
  );

  it(
    'simulate: a line reaches all 29 others exactly once',
    async () => {
      leftToCi();
      const simulate = new Program(example('simulate'));
      expect(await simulate.exit()).toBe(0);
      expect(simulate.stdout).toContain('29 of 29 others got it, each exactly once');
    },
    LONG_MS,
  );

  it(
    'room: three meet in a room, and one leaves',
    async () => {
      leftToCi();
      const room = new Program(example('room'));
      expect(await room.exit()).toBe(0);
      const hears = (who: string) => [`${who} hears Alice: 1. e4`, `${who} hears Alice: Anyone?`];
      // The two may come in another order: each is passed on as soon as it is there.
      expect([...room.lines].sort()).toEqual(
        ['All three are there', ...hears('Bob'), ...hears('Carol'), 'Carol has left, Bob is still there'].sort(),
      );
    },
    LONG_MS,
  );

  it(
    'rooms: a message reaches all 29 others, about once each',
    async () => {
      leftToCi();
      const rooms = new Program(example('rooms'));
      expect(await rooms.exit()).toBe(0);
      expect(rooms.stdout).toContain('the first message has reached 29 of 29 others');
      expect(rooms.stdout).toContain('once the tree is there, a message has reached 29 of 29 others');
    },
    LONG_MS,
  );

  it(
    'alice and bob: Bob finds Alice, and his lines reach her',
    async () => {
      leftToCi();
      const [alice, bob] = [new Program(example('alice')), new Program(example('bob'))];
      await alice.line(/^test \d+ from Bob$/);
      bob.signal('SIGINT');
      alice.signal('SIGINT');
      expect(await Promise.all([alice.exit(), bob.exit()])).toEqual([0, 0]);
    },
    LONG_MS,
  );
});

describe("The README's program", () => {
  const path = temporaryFolder();
  const programs: Program[] = [];
  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
  });

  /** The program as it stands there, with the package as it is built here, and another server. */
  function program(server: string, ...args: readonly string[]): Program {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const [, text = ''] = /## A program\n\n```ts\n(.*?)```/s.exec(readme) ?? [];
    const rxp2p = new URL('../lib/index.js', import.meta.url).href;
    const script = text.replace("'rxp2p'", `'${rxp2p}'`).replace('127.0.0.1:8000', server);
    const file = path(`program-${programs.length}.mjs`);
    // Its only type.
    writeFileSync(file, script.replace('(error: Error)', '(error)'));
    const running = new Program(file, args);
    programs.push(running);
    return running;
  }

  async function server(): Promise<string> {
    const serve = new Program(RXP2P, ['serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0']);
    programs.push(serve);
    await serve.line(/^rendezvous /);
    return serve.lines[0]?.replace('rendezvous ', '') ?? '';
  }

  it(
    'greets a peer by its UNL, and is answered',
    async () => {
      const at = await server();
      const alice = program(at);
      await alice.line(/^reach me at /);
      const bob = program(at, alice.lines[0]?.replace('reach me at ', '') ?? '');
      await alice.line(/: Sup Bob\.$/);
      await bob.line(/: Sup Alice\.$/);
    },
    LONG_MS,
  );

  it(
    'says why and ends with status 1 when the UNL has a typo, or the peer is away',
    async () => {
      leftToCi();
      const away = formatUnl({
        version: 3,
        peerId: createIdentity().peerId,
        nodeType: 'passive',
        natType: { type: 'unknown' },
        endpoints: [{ kind: 'lan', address: '127.0.0.1', port: 1 }],
        rendezvous: [],
        mailboxes: [],
        dht: [],
        mqtt: [],
        extensions: [],
      });
      const at = await server();
      for (const [unl, words] of [
        [`${away.slice(0, -3)}!!!`, /Expected a UNL/],
        [away, /No technique connected to .*ECONNREFUSED/],
      ] as const) {
        const wrong = program(at, unl);
        expect(await wrong.exit()).toBe(1);
        expect(wrong.stderr).toMatch(words);
        expect(wrong.stderr).not.toContain('    at ');
      }
    },
    LONG_MS,
  );
});
