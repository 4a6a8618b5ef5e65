import type { Socket } from 'node:net';
import type { ByteHolder } from '../../lib/bounds/byte-shares.js';
import { ownBytes } from '../../lib/bounds/own-bytes.js';
import { Queue } from '../../lib/bounds/queue.js';
import { expectLine, lineDecoder, type LineDecoder } from '../../lib/link/lines.js';
import { REPLY_MAX_BYTES, REQUEST_MAX_BYTES } from '../../lib/rendezvous/messages.js';
import type { Due, Timer } from '../timers.js';
import type { Unreading } from '../unread.js';
import { aheadOf, endOfLines, NOTHING, type Ahead } from './ahead.js';
import { REFUSED_MS, type ClientHandler, type ClientLines, type LinesShared } from './client-lines.js';

/** How many bytes are read ahead while a line is being answered. */
const READ_AHEAD_BYTES = 65_536;

/** How many bytes of a client are read once it is closed: what was on its way when it was told. */
const DISCARDED_BYTES = 262_144;

/** The overhead that each piece is counted with, so that tiny pieces cannot use unbounded memory. */
const PIECE_OVERHEAD = 128;

/** With so much in the socket, the rest waits here: the socket reports progress only when a whole piece has been written. */
const PIECE_BYTES = 65_536;

/** Lines said in one go are written when they are this long, in UTF-16 units, or when all that has come has been answered. */
const BATCH_LENGTH = 32_768;

/** A client that has hung up gets this long to read what was still said to it, in milliseconds. */
const HUNG_UP_MS = 30_000;

/**
 * The lines of a client on a TCP socket, which end in CRLF. The socket is to be paused, and its errors listened to. A server has many
 * thousands: there is little here but what is under way.
 */
export class SocketLines implements ClientLines, Unreading, ByteHolder, Due {
  readonly #shared: LinesShared;
  readonly #decoder: LineDecoder = lineDecoder(REQUEST_MAX_BYTES);
  #handler: ClientHandler | undefined;
  #ahead: Ahead | undefined;
  /** How many bytes of the client are counted as not answered. */
  #unanswered = 0;
  /** The client has hung up; and the last line, which no newline ended, has been read. */
  #ended: 'no' | 'yes' | 'read' = 'no';
  #isOver = false;
  /** How many bytes have come since. */
  #discarded = 0;
  /** What was said and is not handed to the socket yet: what waits for the outbox, and what waits for the socket. */
  #batch = '';
  #backlog: Queue<string> | undefined;
  #backlogBytes = 0;
  /** Drops a client that does not hang up, too. */
  #late: Timer | undefined;

  /** @param site the client's site. */
  constructor(
    readonly socket: Socket,
    readonly site: string,
    shared: LinesShared,
  ) {
    this.#shared = shared;
  }

  /** What was said and has not gone to the system yet, in bytes (in UTF-16 units while lines are gathered). */
  get waiting(): number {
    return this.#batch.length + this.#backlogBytes + this.socket.writableLength;
  }

  start(handler: ClientHandler): void {
    this.#handler = handler;
    const { socket } = this;
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('end', () => {
      if (this.#ended === 'no') this.#ended = 'yes';
      if (this.#ahead === undefined) this.#read(aheadOf(NOTHING));
    });
    socket.on('close', () => {
      this.#late?.stop();
      this.#finish();
      this.#countUnanswered(0);
      this.#shared.unread.forget(this);
      handler.gone();
    });
    socket.resume();
  }

  say(line: string): void {
    expectLine(line, REPLY_MAX_BYTES);
    if (this.#isOver) return;
    if (this.#batch === '') this.#shared.outbox.add(this);
    // The outbox flushes the rest, too.
    else if (this.#batch.length + line.length > BATCH_LENGTH) this.flush();
    this.#batch += `${line}\r\n`;
  }

  close(): void {
    this.#hangUp(REFUSED_MS);
  }

  drop(): void {
    this.#finish();
    this.socket.destroy();
  }

  /** Hands over what has been gathered. */
  flush(): void {
    const text = this.#batch;
    if (text === '' || this.socket.destroyed) return;
    this.#batch = '';
    if (this.socket.writableLength < PIECE_BYTES && this.#backlog === undefined) this.socket.write(text);
    else this.#holdBack(text);
    // Most clients have taken it all.
    if (this.socket.writableLength > 0) this.#shared.unread.look(this);
  }

  /** The client has had its time to hang up. */
  due(): void {
    this.socket.destroy();
  }

  /** Others need the room that what it has sent takes. */
  giveWay(): void {
    this.drop();
  }

  #receive(chunk: Buffer): void {
    if (this.#isOver) {
      this.#discard(chunk);
      return;
    }
    if (this.#ahead !== undefined) this.#keep(chunk, this.#ahead);
    else this.#read(aheadOf(chunk));
    this.#count();
  }

  /** Reads on in order to see the client's end, but not for ever. */
  #discard(chunk: Buffer): void {
    this.#discarded += chunk.length;
    if (this.#discarded > DISCARDED_BYTES) this.socket.pause();
  }

  /** Counts what waits. A client that is quiet, or says whole lines that are answered at once, is never counted. */
  #count(): void {
    if (this.#isOver) return;
    const { begun } = this.#decoder;
    const { length, receivedLength } = this.#ahead ?? { length: 0, receivedLength: 0 };
    this.#countUnanswered(begun + length + receivedLength);
  }

  #countUnanswered(bytes: number): void {
    if (bytes === this.#unanswered) return;
    this.#unanswered = bytes;
    this.#shared.unanswered.set(this, bytes);
  }

  #keep(chunk: Buffer, ahead: Ahead): void {
    // A line that is being answered keeps it waiting.
    ahead.received ??= new Queue();
    ahead.received.push(ownBytes(chunk));
    ahead.receivedLength += chunk.length + PIECE_OVERHEAD;
    if (ahead.receivedLength >= READ_AHEAD_BYTES) this.socket.pause();
  }

  /** Has lines answered, until there are no more, or one of them is answered later. */
  #read(ahead: Ahead): void {
    this.#ahead = ahead;
    while (!this.#isOver) {
      const line = ahead.lines[ahead.next];
      if (line !== undefined) {
        ahead.next++;
        const answered = this.#handler?.line(line);
        if (answered === undefined) continue;
        void answered.then(() => {
          this.#read(ahead);
          this.#count();
        });
        return;
      }
      if (this.#decoder.fault !== undefined) {
        this.#handler?.fault(this.#decoder.fault);
        break;
      }
      if (!this.#readMore(ahead)) break;
    }
    this.#ahead = undefined;
    if (this.#ended === 'read') this.#hangUp(HUNG_UP_MS);
  }

  /** Cuts more of what has come into lines. Returns false when nothing is there. */
  #readMore(ahead: Ahead): boolean {
    if (ahead.rest.length === 0) this.#begin(ahead);
    ahead.next = 0;
    if (ahead.rest.length > 0) {
      const { rest } = ahead;
      const end = endOfLines(rest);
      // Most often that is all of it.
      const isAll = end === rest.length;
      ahead.lines = this.#decoder.push(isAll ? rest : rest.subarray(0, end));
      ahead.rest = isAll ? NOTHING : rest.subarray(end);
      return true;
    }
    ahead.lines = [];
    if (this.#ended !== 'yes') return false;
    this.#ended = 'read';
    ahead.lines = this.#decoder.end();
    return true;
  }

  /** Goes on to the next piece, if there is one. */
  #begin(ahead: Ahead): void {
    ahead.rest = ahead.received?.take() ?? NOTHING;
    ahead.length = ahead.rest.length;
    if (ahead.length === 0) return;
    ahead.receivedLength -= ahead.length + PIECE_OVERHEAD;
    if (this.socket.isPaused() && ahead.receivedLength < READ_AHEAD_BYTES) this.socket.resume();
  }

  /** Ends the stream behind what was said; the client is dropped where it has not ended its own by then. */
  #hangUp(graceMs: number): void {
    if (this.#isOver) return;
    this.flush();
    this.#finish();
    const { socket } = this;
    if (this.#backlog === undefined) socket.end();
    if (socket.closed) return;
    this.#late = this.#shared.timers.of(this);
    this.#late.start(graceMs);
    socket.resume();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handler?.over();
  }

  #holdBack(text: string): void {
    if (this.#backlog === undefined) {
      this.#backlog = new Queue();
      this.#handOverLater();
    }
    this.#backlog.push(text);
    this.#backlogBytes += Buffer.byteLength(text);
  }

  #handOverLater(): void {
    this.socket.once('drain', () => {
      this.#handOver();
    });
  }

  #handOver(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    socket.cork();
    while (socket.writableLength < PIECE_BYTES) {
      const text = this.#backlog?.take();
      if (text === undefined) {
        this.#backlog = undefined;
        break;
      }
      this.#backlogBytes -= Buffer.byteLength(text);
      socket.write(text);
    }
    socket.uncork();
    if (this.#backlog !== undefined) this.#handOverLater();
    else if (this.#isOver) socket.end();
  }
}
