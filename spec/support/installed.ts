/** Uses the package as somebody does who has installed it: its command and its library, in processes of their own, on loopback. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** For everything together, in milliseconds: it takes a few seconds. */
const LIMIT_MS = 60_000;

/** Loopback addresses that no spec has. */
const [SERVER, LISTENER, DIALLER, PROGRAM] = ['127.0.240.1', '127.0.240.2', '127.0.240.3', '127.0.240.4'] as const;

const PORTS = ['--port', '8000', '--http-port', '8080'];

/** A program of somebody's own. */
const ALICE = `
import { createNet } from 'rxp2p';
import { finalize, switchMap, take, tap } from 'rxjs';

const [, , unl, server] = process.argv;
const net = createNet({ mode: 'direct', bind: '${PROGRAM}', rendezvous: [server] });
net.connect$(unl).pipe(
  tap((connection) => connection.send('Sup Bob.')),
  switchMap((connection) => connection.lines$),
  take(1),
  finalize(() => void net.close()),
).subscribe({ next: console.log, error: ({ message }) => { console.error(message); process.exitCode = 1; } });
`;

interface Running {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  /** The next line of what it prints. */
  readonly line: () => Promise<string>;
}

/**
 * Has two processes exchange lines, once both by the command of the package, once one of them by a program that imports it.
 *
 * @param folder a folder with the package and rxjs among its `node_modules`.
 * @returns what was done, in words.
 * @throws Error with what came in the place of what was expected.
 */
export async function useInstalled(folder: string): Promise<readonly string[]> {
  const bin = join(folder, 'node_modules/.bin/rxp2p');
  writeFileSync(join(folder, 'alice.mjs'), ALICE);
  const running: Running[] = [];
  const env = environmentIn(folder);
  const start = (...args: readonly string[]): Running => {
    const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['pipe', 'pipe', 'inherit'] });
    const lines: AsyncIterator<string> = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async () => {
      const next = await lines.next();
      if (next.done === true) throw new Error(`Expected \`${args.slice(1).join(' ')}\` to go on, got its end`);
      return next.value;
    };
    const program = { child, line };
    running.push(program);
    return program;
  };
  const timer = setTimeout(() => {
    for (const { child } of running) child.kill();
  }, LIMIT_MS);
  try {
    const server = `${SERVER}:8000`;
    expectLine(await start(bin, 'serve', '--bind', SERVER, ...PORTS).line(), `rendezvous ${server}`);
    const listener = start(bin, 'listen', '--bind', LISTENER, '--rendezvous', server);
    const unl = await listener.line();

    const dialler = start(bin, 'connect', unl, '--bind', DIALLER);
    await exchange(dialler, listener);
    dialler.child.stdin.end();
    const program = start(join(folder, 'alice.mjs'), unl, server);
    expectLine(await listener.line(), 'Sup Bob.');
    listener.child.stdin.write('Sup Alice.\n');
    expectLine(await program.line(), 'Sup Alice.');
    return [
      '`rxp2p listen` and `rxp2p connect` have met at `rxp2p serve` and exchanged lines',
      '`rxp2p listen` and a program that imports rxp2p have exchanged lines',
    ];
  } finally {
    clearTimeout(timer);
    for (const { child } of running) child.kill();
  }
}

/** The environment without what the user of this machine has set for rxp2p, and with no other node of the local network. */
function environmentIn(folder: string): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('RXP2P_'));
  return { ...Object.fromEntries(others), RXP2P_LAN: 'off', XDG_CONFIG_HOME: folder };
}

async function exchange(one: Running, other: Running): Promise<void> {
  one.child.stdin.write('Sup Bob.\n');
  expectLine(await other.line(), 'Sup Bob.');
  other.child.stdin.write('Sup Alice.\n');
  expectLine(await one.line(), 'Sup Alice.');
}

function expectLine(line: string, end: string): void {
  if (!line.endsWith(end))
    throw new Error(`Expected a line that ends with ${JSON.stringify(end)}, got ${JSON.stringify(line)}`);
}
