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
      expect(direct.lines.slice(1)).toEqual(['Bob got:   Sup Bob.', 'Alice got: Sup Alice.']);
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
