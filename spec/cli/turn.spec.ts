import { parseUnl } from '../../lib/unl.js';
import { newAddress } from '../support/nodes.js';
import { Program, RXP2P } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('rxp2p with TURN servers', () => {
  const programs: Program[] = [];

  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
  });

  it('tells others that it has some, whether they are on the command line or in the environment', async () => {
    leftToCi();
    for (const [args, env] of [
      [['--turn', 'turn:alice:secret@127.0.0.1:1'], {}],
      [[], { RXP2P_TURN: 'turn:alice:secret@127.0.0.1:1 turns:alice:s,cret@127.0.0.1' }],
    ] as const) {
      const program = new Program(RXP2P, ['listen', '--bind', newAddress(), ...args], env);
      programs.push(program);
      await program.until('its locator', ({ lines }) => lines.length > 0);
      const unl = parseUnl(program.lines[0] ?? '');
      expect(unl.version === 3 && unl.extensions.map(({ tag }) => tag)).toEqual([160]);
    }
  }, 120_000);

  it('never repeats a password', async () => {
    const program = new Program(RXP2P, ['listen', '--turn', 'turn:alice:secret'], { RXP2P_TURN: 'also:secret' });
    programs.push(program);
    expect(await program.exit()).toBe(2);
    expect(program.stderr).toContain('Expected `--turn` to be turn:USER:PASSWORD@HOST:PORT');
    const help = new Program(RXP2P, ['listen', '--help'], { RXP2P_TURN: 'turn:alice:secret@127.0.0.1:1' });
    programs.push(help);
    expect(await help.exit()).toBe(0);
    for (const { stdout, stderr } of programs) expect(stdout + stderr).not.toContain('secret');
  }, 120_000);
});
