import { newAddress } from './nodes.js';
import { Program, RXP2P } from './program.js';

/** Each process of Node takes its time to start, more so on a busy machine: how long a spec of some may take, in milliseconds. */
export const COMMAND_LIMIT_MS = 120_000;

/** `rxp2p serve` on free ports of loopback. */
export const SERVE = ['serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0'];

/** Gives a suite what runs the command line; what a spec has started ends with it. */
export function commands() {
  const programs: Program[] = [];
  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
  });

  /** Runs the command line, with variables in its environment. */
  function rxp2pWith(variables: Readonly<Record<string, string>>, ...args: readonly string[]): Program {
    const program = new Program(RXP2P, args, variables);
    programs.push(program);
    return program;
  }

  const rxp2p = (...args: readonly string[]): Program => rxp2pWith({}, ...args);

  /** A listening program, and its locator. */
  async function listening(...args: readonly string[]): Promise<{ program: Program; unl: string }> {
    const program = rxp2p('listen', '--bind', newAddress(), ...args);
    await program.until('its first line', ({ lines }) => lines.length > 0);
    return { program, unl: program.lines[0] ?? '' };
  }

  return { rxp2p, rxp2pWith, listening };
}
