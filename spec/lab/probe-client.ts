/** Typed requests to the probes that the self-check runs in a topology's hosts. */
import { fileURLToPath } from 'node:url';
import type { Host } from './plan.js';
import type { Program } from './processes.js';
import type { Topology } from './topology.js';
import { within } from './within.js';

/** Starting Node on a busy machine, and whatever silence the request waits for. */
const ANSWER_MS = 15_000;

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export type Dialled =
  | { readonly outcome: 'open'; readonly seen: Endpoint; readonly ms: number }
  | { readonly outcome: 'reset' | 'silent' | 'unreachable' };

export class Probe {
  readonly #program: Program;
  #requests = 0;

  constructor(topology: Topology, host: Host) {
    this.#program = topology.run(host, [process.execPath, fileURLToPath(new URL('probe.js', import.meta.url))]);
  }

  async listen(port: number): Promise<void> {
    await this.#ask('ok', 'listen', port);
  }

  /** Port 0 leaves the choice to the kernel. */
  async dial(localPort: number, to: Endpoint, timeout: number): Promise<Dialled> {
    const [outcome, address = '', port, ms] = await this.#ask(
      /^(open|reset|silent|unreachable)$/,
      'connect',
      localPort,
      to.address,
      to.port,
      timeout,
    );
    if (outcome === 'open') return { outcome, seen: { address, port: Number(port) }, ms: Number(ms) };
    return { outcome: outcome === 'reset' || outcome === 'silent' ? outcome : 'unreachable' };
  }

  /** Says something on the connection that came from a port. */
  async say(remotePort: number): Promise<void> {
    await this.#ask('ok', 'say', remotePort);
  }

  /** Whether something comes on the connection that left from a local port. */
  async hears(localPort: number, timeout: number): Promise<boolean> {
    const [outcome] = await this.#ask(/^(heard|silent)$/, 'hear', localPort, timeout);
    return outcome === 'heard';
  }

  /** The first answer, or how there was none. */
  async udp(to: Endpoint, message: Buffer, timeout: number): Promise<Buffer | 'refused' | 'silent'> {
    const [outcome, hex = ''] = await this.#ask(
      /^(answer|refused|silent)$/,
      'udp',
      to.address,
      to.port,
      message.toString('hex'),
      timeout,
    );
    if (outcome === 'answer') return Buffer.from(hex, 'hex');
    return outcome === 'refused' ? outcome : 'silent';
  }

  async get(url: string, timeout: number): Promise<string> {
    const [, , hex = ''] = await this.#ask('answer', 'http', url, timeout);
    return Buffer.from(hex, 'hex').toString();
  }

  async soap(url: string, action: string, body: string, timeout: number): Promise<{ status: number; body: string }> {
    const [, status, hex = ''] = await this.#ask(
      'answer',
      'http',
      url,
      timeout,
      action,
      Buffer.from(body).toString('hex'),
    );
    return { status: Number(status), body: Buffer.from(hex, 'hex').toString() };
  }

  async #ask(expected: string | RegExp, ...request: readonly (string | number)[]): Promise<string[]> {
    const id = `${this.#requests++} `;
    const answer = this.#program.line((text) => text.startsWith(id));
    this.#program.write(id + request.join(' '));
    const words = (await within(ANSWER_MS, answer)).text.slice(id.length).split(' ');
    const outcome = words[0] ?? '';
    if (typeof expected === 'string' ? outcome === expected : expected.test(outcome)) return words;
    throw new Error(`The probe could not ${request.join(' ')}: ${words.join(' ')}`);
  }
}
