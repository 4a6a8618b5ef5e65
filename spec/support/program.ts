import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENT_PREFIX } from '../../lib/cli/serve-options.js';
import { parseJsonObject } from '../../lib/validate.js';

const root = new URL('../../', import.meta.url);

/** The command line as it is installed. */
export const RXP2P = fileURLToPath(new URL('lib/cli/rxp2p.js', root));

/** An example, as it is built. */
export function example(name: string): string {
  return fileURLToPath(new URL(`examples/${name}.js`, root));
}

/** A program in a process of its own, its lines as they come. */
export class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #output = { stdout: '', stderr: '' };
  readonly #chunks: Buffer[] = [];
  #byteCount = 0;
  readonly #exit: Promise<number | string>;
  #changed: () => void = () => undefined;
  #ended = false;

  /** @param variables of its environment, over this process's own but for options of `rxp2p serve`. */
  constructor(script: string, args: readonly string[] = [], variables: Readonly<Record<string, string>> = {}) {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith(ENVIRONMENT_PREFIX));
    // Nothing of a spec is sent to the network of this machine, and no options of who runs it count.
    const env = { ...Object.fromEntries(own), RXP2P_LAN: 'off', XDG_CONFIG_HOME: '/nonexistent', ...variables };
    this.#child = spawn(process.execPath, [script, ...args], { env });
    this.#exit = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        this.#ended = true;
        resolve(code ?? signal ?? 'nothing');
        this.#changed();
      });
    });
    for (const name of ['stdout', 'stderr'] as const) {
      const decoder = new StringDecoder('utf8');
      this.#child[name].on('data', (chunk: Buffer) => {
        this.#output[name] += decoder.write(chunk);
        if (name === 'stdout') {
          this.#chunks.push(chunk);
          this.#byteCount += chunk.length;
        }
        this.#changed();
      });
    }
    this.#child.stdin.on('error', () => undefined);
  }

  get stdout(): string {
    return this.#output.stdout;
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  /** The bytes of stdout so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** How many those are. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** The lines of stdout so far. */
  get lines(): readonly string[] {
    return this.stdout.split('\n').slice(0, -1);
  }

  /** The JSON events of stderr so far. */
  get events(): readonly Readonly<Record<string, unknown>>[] {
    return this.stderr
      .split('\n')
      .map(parseJsonObject)
      .filter((event) => event !== undefined);
  }

  /** Waits until something is true of the output. Fails when the program ends first. */
  async until(what: string, condition: (program: this) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.#ended) throw new Error(`The program ended before ${what}:\n${this.stdout}\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Waits for a line of stdout. */
  line(text: string | RegExp): Promise<void> {
    const matches = (line: string) => (typeof text === 'string' ? line === text : text.test(line));
    return this.until(`the line ${String(text)}`, ({ lines }) => lines.some(matches));
  }

  /** Waits for an event of a kind. */
  async event(kind: string): Promise<Readonly<Record<string, unknown>>> {
    await this.until(`the event ${kind}`, ({ events }) => events.some(({ event }) => event === kind));
    return this.events.find(({ event }) => event === kind) ?? {};
  }

  type(text: string | Uint8Array): void {
    this.#child.stdin.write(text);
  }

  /** Resolves when the program takes more. */
  async offer(bytes: Uint8Array): Promise<void> {
    if (this.#ended || this.#child.stdin.destroyed) return;
    await new Promise<void>((resolve) =>
      this.#child.stdin.write(bytes, () => {
        resolve();
      }),
    );
  }

  endOfInput(text: string | Uint8Array = ''): void {
    this.#child.stdin.end(text);
  }

  /** Reads no more of its stdout, and closes it. */
  closeStdout(): void {
    this.#child.stdout.destroy();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit status, or the signal that ended it. */
  exit(): Promise<number | string> {
    return this.#exit;
  }
}
