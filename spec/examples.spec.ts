import { example, Program } from './support/program.js';

const LONG_MS = 60_000;

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
    'direct: Alice connects to Bob by his locator',
    async () => {
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
    'serverless: a DHT carries the message',
    async () => {
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
      const simulate = new Program(example('simulate'));
      expect(await simulate.exit()).toBe(0);
      expect(simulate.stdout).toContain('29 of 29 others got it, each exactly once');
    },
    LONG_MS,
  );

  it(
    'alice and bob: Bob finds Alice, and his lines reach her',
    async () => {
      const [alice, bob] = [new Program(example('alice')), new Program(example('bob'))];
      await alice.line(/^test \d+ from Bob$/);
      bob.signal('SIGINT');
      alice.signal('SIGINT');
      expect(await Promise.all([alice.exit(), bob.exit()])).toEqual([0, 0]);
    },
    LONG_MS,
  );
});
