import { Socket } from 'node:net';

/**
 * Makes two connected sockets within this process, without a port, an address or a system call. As with other sockets, `connect` is
 * emitted in a later turn of the event loop.
 *
 * @example
 * const [here, there] = socketPair();
 * here.end('hello\n');
 * there.on('data', console.log);
 */
export function socketPair(): readonly [Socket, Socket] {
  const pair = [new PairedSocket(), new PairedSocket()] as const;
  pair[0].pairWith(pair[1]);
  pair[1].pairWith(pair[0]);
  return pair;
}

class PairedSocket extends Socket {
  #other: Socket | undefined;

  constructor() {
    super({ allowHalfOpen: true });
    // TLS waits for this event on a socket without a system handle.
    setImmediate(() => this.emit('connect'));
  }

  pairWith(other: Socket): void {
    this.#other = other;
  }

  override _read(): void {
    // The other socket pushes data into this one.
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#other?.push(chunk);
    // As with the system's sockets, a write is done in a later turn of the event loop.
    setImmediate(done);
  }

  override _final(done: () => void): void {
    this.#other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#other?.readableEnded === false && !this.#other.destroyed) this.#other.push(null);
    done(error);
  }
}
