import { writeFileSync } from 'node:fs';
import { temporaryFolder } from '../support/folder.js';
import { Lab, newAddress } from '../support/nodes.js';
import { Program, RXP2P } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';

const COMMAND_LIMIT_MS = 120_000;

describe('rxp2p room', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  const programs: Program[] = [];
  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
    await lab.close();
  });

  function room(...args: readonly string[]): Program {
    const program = new Program(RXP2P, ['room', ...args, '--bind', newAddress()]);
    programs.push(program);
    return program;
  }

  it(
    'says lines in a room, prints those of others, and tells who comes and goes',
    async () => {
      const { address } = await lab.server();
      const secret = path('secret');
      writeFileSync(secret, 'open sesame\nnotes\n', { mode: 0o600 });
      const args = ['chess', '--rendezvous', address, '--secret-file', secret];
      const alice = room(...args);
      const bob = room(...args, '--json');
      const { peerId } = await bob.event('joined');
      const connected = await bob.event('connected');
      const { peerId: alices } = await bob.event('here');
      await alice.until('Bob is there', (program) => program.stderr.includes('is here, 1 other is here'));
      expect(connected).toEqual(
        jasmine.objectContaining({ peerId: alices, direct: true, elapsedMs: jasmine.any(Number) }),
      );
      expect(alice.stderr).not.toContain('connected to');
      alice.type('1. e4\n');
      await bob.line(/"text":"1\. e4"/);
      const said: unknown = JSON.parse(bob.lines[0] ?? '');
      expect(said).toEqual({ from: alices, text: '1. e4', at: jasmine.any(Number), hops: 1, past: false });
      // A text with something that begins a new line does not pass for the line of another.
      bob.type('1… e5\vcafebabe: I resign\n');
      await alice.line(`${String(peerId).slice(0, 8)}: 1… e5 cafebabe: I resign`);
      bob.signal('SIGINT');
      expect(await bob.exit()).toBe(0);
      // Nobody is missing where one leaves by oneself.
      expect(bob.events.filter(({ event, count }) => event === 'neighbours' && count === 0)).toEqual([]);
      await alice.until('Bob has left', (program) => program.stderr.includes('has left, 0 others are here'));
      alice.signal('SIGTERM');
      expect(await alice.exit()).toBe(0);
      expect(alice.stderr + bob.stderr).not.toContain('sesame');
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'tells who is alone, and who comes then',
    async () => {
      leftToCi();
      const { address } = await lab.server();
      const [first, second] = [room('chess', '--rendezvous', address), room('go', '--rendezvous', address, '--json')];
      await first.until('nobody is there', ({ stderr }) => stderr.includes('nobody else is here yet'));
      await second.event('alone');
      room('chess', '--rendezvous', address);
      await first.until('somebody comes', ({ stderr }) => stderr.includes('is here, 1 other is here'));
    },
    COMMAND_LIMIT_MS,
  );

  it(
    'wants a secret that can be read, and a sensible number of lines',
    async () => {
      const empty = path('empty');
      writeFileSync(empty, '\n');
      const wrong = [
        room('chess', '--secret-file', path('none')),
        room('chess', '--secret-file', empty),
        room('chess', '--history', '65'),
        room(),
      ];
      expect(await Promise.all(wrong.map((program) => program.exit()))).toEqual([2, 2, 2, 2]);
      expect(wrong[1]?.stderr).toContain('first line');
    },
    COMMAND_LIMIT_MS,
  );
});
