/** Programs that run in a namespace: their lines as Observables, each stamped when it came. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { filter, firstValueFrom, ReplaySubject, takeLast, toArray, type Observable } from 'rxjs';

/** The environment of the runner, but for options of commands, which are not those of its programs. */
const OWN = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RXP2P_')));

export interface Line {
  readonly text: string;
  /** Milliseconds on the runner's monotonic clock, the one clock that all namespaces share. */
  readonly at: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Program {
  readonly pid: number | undefined;
  /** Replays from the program's first line. */
  readonly stdout$: Observable<Line>;
  readonly stderr$: Observable<Line>;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #name: string;

  constructor(namespace: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#name = `${argv.join(' ').slice(0, 200)} (in ${namespace})`;
    this.#child = spawn('ip', ['netns', 'exec', namespace, ...argv], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true, // A Ctrl-C is for the runner, which then ends its programs in order.
      // What servers do is to be seen: neighbours find each other where a spec says `--lan`.
      env: { ...OWN, RXP2P_LAN: 'off', XDG_CONFIG_HOME: '/nonexistent', ...env },
    });
    this.pid = this.#child.pid;
    this.#child.stdin.on('error', () => undefined); // The program ended first; its exit tells.
    this.stdout$ = lines(this.#child.stdout);
    this.stderr$ = lines(this.#child.stderr);
    this.exited = new Promise((resolve) => {
      this.#child.once('error', () => {
        resolve({ code: null, signal: null });
      });
      this.#child.once('close', (code, signal) => {
        resolve({ code, signal });
      });
    });
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  /** The first line that is as wanted; fails with the program's last words when it ends before. */
  async line(wanted: (text: string) => boolean, line$ = this.stdout$): Promise<Line> {
    const wanted$ = line$.pipe(filter(({ text }) => wanted(text)));
    const line = await firstValueFrom(wanted$, { defaultValue: undefined });
    if (line !== undefined) return line;
    const { code, signal } = await this.exited;
    const said = await firstValueFrom(this.stderr$.pipe(takeLast(LAST_WORDS), toArray()), { defaultValue: [] });
    const end = `${this.#name} ended (${signal ?? `status ${String(code)}`}) before it said what was expected`;
    throw new Error([end, ...said.map(({ text }) => text)].join('\n  '));
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.exited;
  }
}

const LAST_WORDS = 10;

const lines = (stream: Readable): Observable<Line> => {
  const reader = createInterface({ input: stream });
  const line$ = new ReplaySubject<Line>(REPLAYED_LINES);
  reader.on('line', (text) => {
    line$.next({ text, at: performance.now() });
  });
  reader.once('close', () => {
    line$.complete();
  });
  return line$.asObservable();
};

const REPLAYED_LINES = 1000;
