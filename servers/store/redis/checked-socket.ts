import { Socket } from 'node:net';
import { AnswerCheck } from './answer-check.js';

/** What a stream is told when something is written, or it has ended. */
type Done = (error?: Error | null) => void;

/** A connection to Redis on which an answer that is none ends it before the client reads it. */
export class CheckedSocket extends Socket {
  readonly #inner: Socket;
  readonly #check = new AnswerCheck();
  /** The beginning of an answer that is not whole yet. */
  readonly #held: Buffer[] = [];

  /** @param inner the connection. It belongs to this from now on. */
  constructor(inner: Socket) {
    super();
    this.#inner = inner;
    inner.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    inner.once('end', () => this.push(null));
    inner.on('error', (error) => this.destroy(error));
    inner.once('close', () => this.destroy());
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(command: string | Buffer, _: BufferEncoding, done: Done): void {
    this.#send([command], done);
  }

  override _writev(commands: readonly { readonly chunk: string | Buffer }[], done: Done): void {
    this.#send(
      commands.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: Done): void {
    this.#inner.end(done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#inner.destroy();
    super._destroy(error, done);
  }

  override setNoDelay(noDelay?: boolean): this {
    this.#inner.setNoDelay(noDelay);
    return this;
  }

  override setKeepAlive(enable?: boolean, initialDelay?: number): this {
    this.#inner.setKeepAlive(enable, initialDelay);
    return this;
  }

  /** The client writes each command as a whole. */
  #send(commands: readonly (string | Buffer)[], done: Done): void {
    try {
      for (const command of commands) this.#check.sent(command);
    } catch (error) {
      done(error instanceof Error ? error : null);
      return;
    }
    const inner = this.#inner;
    inner.cork();
    commands.forEach((command, index) => inner.write(command, index === commands.length - 1 ? done : undefined));
    inner.uncork();
  }

  /** The client takes some of an answer for the whole: it gets whole answers alone. */
  #receive(chunk: Buffer): void {
    if (this.destroyed) return;
    try {
      const whole = this.#check.came(chunk);
      const isTaken = whole === 0 || this.push(Buffer.concat([...this.#held.splice(0), chunk.subarray(0, whole)]));
      if (whole < chunk.length) this.#held.push(chunk.subarray(whole));
      if (!isTaken) this.#inner.pause();
    } catch (error) {
      this.destroy(error instanceof Error ? error : undefined);
    }
  }
}
