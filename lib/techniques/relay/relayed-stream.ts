import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { AsyncSubject, noop, Observable } from 'rxjs';
import { DialError } from '../../errors.js';
import type { Link } from '../../link/link.js';
import { endpointsOf } from '../../link/tcp.js';
import { Latest } from '../../operators/latest.js';

/** What is kept of what was written, in bytes, until the peer is at the relay: what is written beyond that waits. */
const KEPT_BYTES = 64 * 1024;

/** What waits to be read, in bytes, before no more is read from the relay. */
const READ_BYTES = 64 * 1024;

/**
 * A stream to a peer over a relay, of use before either node is there. Everything that is written goes over the relay, from the first byte on.
 * What is written first each side can tell the other by a signal as well, which comes sooner; what the relay brings of it is a copy then, and skipped.
 * So nothing depends on these signals.
 *
 * Until the peer is there, one relay can be left for another: what was written is written there again.
 */
export class RelayedStream extends Duplex {
  readonly #first = new AsyncSubject<Buffer>();
  readonly #ends = new Latest<Pick<Link, 'local' | 'remote'>>();
  readonly #met = new AsyncSubject<void>();
  /** What was written; `undefined` once the peer is there, since then nothing has to be written again. */
  #kept: Buffer[] | undefined = [];
  #keptBytes = 0;
  /** Ends the write for which there was no more room. */
  #onRoom: (() => void) | undefined;
  /** To the relay. */
  #socket: Socket | undefined;
  /** How many of the peer's bytes a signal has brought. */
  #heard = 0;

  constructor() {
    super({ readableHighWaterMark: READ_BYTES });
    // Whoever reads it has listeners of its own; before there is one, whoever opens the relay knows the reason.
    this.on('error', noop);
  }

  /** What is written first, in one piece. Emits once and completes; only completes when the stream is destroyed before. */
  get first$(): Observable<Buffer> {
    return this.#first;
  }

  /** The two ends of the connection to a relay that has let this node in, as soon as there is one, and whenever that changes. */
  get ends$(): Observable<Pick<Link, 'local' | 'remote'>> {
    return this.#ends.value$;
  }

  /**
   * Emits and completes once the peer is there: its bytes come from the relay.
   *
   * @throws DialError when the stream is destroyed before, or the error with which it is.
   */
  get met$(): Observable<void> {
    return this.#met;
  }

  /** Takes what the peer has written first, as a signal brings it. Does nothing where a signal, or the relay, was sooner. */
  hear(first: Buffer): void {
    if (this.#heard > 0 || this.#kept === undefined || this.destroyed || first.length === 0) return;
    this.#heard = first.length;
    this.push(first);
  }

  /**
   * Goes over a relay. Never emits; completes once the peer is there. Then the socket belongs to the stream; unsubscribed before, it is closed.
   *
   * @param socket the connection to a relay that has let this node in, paused.
   * @throws DialError when it ends before the peer is there.
   */
  over$(socket: Socket): Observable<never> {
    return new Observable((subscriber) => {
      const onGone = (cause?: Error) => {
        const because = cause === undefined ? '' : `: ${cause.message}`;
        subscriber.error(
          new DialError(`The relay closed the connection before the peer had come${because}`, { cause }),
        );
      };
      const onEnd = () => {
        onGone();
      };
      const onData = (bytes: Buffer) => {
        socket.off('end', onEnd).off('close', onEnd).off('error', onGone).off('data', onData);
        this.#meet(socket, bytes);
        subscriber.complete();
      };
      socket.on('error', noop).on('error', onGone).on('end', onEnd).on('close', onEnd).on('data', onData);
      this.#enter(socket);
      return () => {
        if (this.#socket === socket && this.#kept === undefined) return;
        if (this.#socket === socket) {
          this.#socket = undefined;
          this.#ends.forget();
        }
        socket.off('data', onData);
        socket.destroy();
      };
    });
  }

  /** Writes to a relay what was written so far; what is written from now on follows. */
  #enter(socket: Socket): void {
    if (this.destroyed) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    for (const bytes of this.#kept ?? []) socket.write(bytes);
    if (this.writableFinished) socket.end();
    this.#ends.next(endpointsOf(socket));
    socket.resume();
  }

  /** The peer is there: this is the relay for good. */
  #meet(socket: Socket, first: Buffer): void {
    let copies = this.#heard;
    const onData = (bytes: Buffer) => {
      const copied = Math.min(copies, bytes.length);
      copies -= copied;
      if (copied < bytes.length && !this.push(copied === 0 ? bytes : bytes.subarray(copied))) socket.pause();
    };
    socket.on('data', onData).once('end', () => this.push(null));
    socket
      .once('error', (error) => this.destroy(error))
      .once('close', () => {
        // What has come before an orderly end may still wait to be read.
        if (!socket.readableEnded) this.destroy();
      });
    this.#kept = undefined;
    onData(first);
    this.#met.next();
    this.#met.complete();
    this.#onRoom?.();
    this.#onRoom = undefined;
  }

  /** See Node's documentation of `Readable`. */
  override _read(): void {
    this.#socket?.resume();
  }

  /** See Node's documentation of `Writable`. */
  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send([bytes], done);
  }

  /** See Node's documentation of `Writable`: what was written while another write was under way. */
  override _writev(pieces: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(
      pieces.map(({ chunk }) => chunk),
      done,
    );
  }

  #send(pieces: readonly Buffer[], done: (error?: Error | null) => void): void {
    const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    if (this.#kept === undefined) {
      this.#socket?.write(bytes, done);
      return;
    }
    if (this.#keptBytes === 0) {
      this.#first.next(bytes);
      this.#first.complete();
    }
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    this.#socket?.write(bytes);
    if (this.#keptBytes < KEPT_BYTES) done();
    else this.#onRoom = done;
  }

  /** See Node's documentation of `Writable`. */
  override _final(done: (error?: Error | null) => void): void {
    this.#socket?.end();
    // At once: Node ends the process where TLS has to write while a stream below it is still ending.
    done();
  }

  /** See Node's documentation of `Duplex`. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket?.destroy();
    this.#onRoom = undefined;
    this.#first.complete();
    this.#ends.complete();
    this.#met.error(error ?? new DialError('The link was closed before the peer had come to the relay'));
    done(error);
  }
}
