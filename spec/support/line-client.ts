import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { lineDecoder } from '../../lib/link/lines.js';

/** So many are confirmed too late by a server that has lost its way. */
const MOST_SENT = 100;

const messageOf = (count: number) => Buffer.of(count).toString('base64url');

/** A TCP client that speaks lines, as PyP2P does, and can wait for those that come. */
export class LineClient {
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string) => void)[] = [];

  constructor(readonly socket: Socket) {
    const decoder = lineDecoder(1_000_000);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const line of decoder.push(chunk)) {
        const waiter = this.#waiting.shift();
        if (waiter === undefined) this.#lines.push(line);
        else waiter(line);
      }
    });
  }

  /** Connects, from a local address if one is given. */
  static async to({ address, port }: { address: string; port: number }, localAddress?: string): Promise<LineClient> {
    const socket = connect({ host: address, port, ...(localAddress !== undefined && { localAddress }) });
    const client = new LineClient(socket);
    await once(socket, 'connect');
    return client;
  }

  say(...lines: readonly string[]): void {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(''));
  }

  /** The next line that has not been waited for yet. */
  heard(): Promise<string> {
    const line = this.#lines.shift();
    return line !== undefined ? Promise.resolve(line) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Says something, and waits for the next line. */
  ask(line: string): Promise<string> {
    this.say(line);
    return this.heard();
  }

  /**
   * Sends a peer a message through servers with one store until one of them says that the receiver has it, and waits until that has heard
   * it: from whom, and from which address. On a busy machine a message may be confirmed too late to count as sent; its receiver then hears
   * it and the next.
   */
  async send(peerId: string, receiver: LineClient): Promise<{ from: string; address: string }> {
    let count = 0;
    let answer: string;
    do {
      count++;
      answer = await this.ask(`SEND ${count} ${peerId} ${messageOf(count)}`);
    } while (answer === `ABSENT ${count}` && count < MOST_SENT);
    if (answer !== `SENT ${count}`) throw new Error(`Expected SENT ${count}, got ${answer}`);
    for (;;) {
      const line = await receiver.heard();
      const [verb, from = '', message, address = ''] = line.split(' ');
      if (verb !== 'MESSAGE') throw new Error(`Expected a message, got ${line}`);
      if (message === messageOf(count)) return { from, address };
    }
  }

  /** Waits until the other side has closed. */
  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket.resume(), 'close');
  }

  /** How many lines are there that nobody has waited for. */
  get unheard(): number {
    return this.#lines.length;
  }
}
