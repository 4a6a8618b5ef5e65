import type { Socket } from 'node:net';
import { noop } from 'rxjs';
import type { WebSocket } from 'ws';
import type { ByteHolder } from '../../lib/bounds/byte-shares.js';
import { Queue } from '../../lib/bounds/queue.js';
import { tokenBucket } from '../../lib/bounds/rate-limit.js';
import { ProtocolError } from '../../lib/errors.js';
import { expectLine } from '../../lib/link/lines.js';
import { REPLY_MAX_BYTES } from '../../lib/rendezvous/messages.js';
import type { Due, Timer } from '../timers.js';
import type { Unreading } from '../unread.js';
import { REFUSED_MS, type ClientHandler, type ClientLines, type LinesShared } from '../lines/client-lines.js';
import { BegunFrames } from './begun-frames.js';

/** Pings and pongs of a client, whose own use is none: lines have a PING of theirs. With more the client is dropped. */
const CONTROL_FRAMES = { perSecond: 1, burst: 20 };

/** The connection closes in the normal way (RFC 6455 §7.4.1). */
const NORMAL_CLOSURE = 1000;

/** The overhead that each line is counted with that waits to be answered. */
const LINE_OVERHEAD = 64;

/** The lines of a client on a WebSocket: each is one text frame, or message of several, without a line's end. */
export class WebSocketLines implements ClientLines, Unreading, ByteHolder, Due {
  readonly #webSocket: WebSocket;
  readonly #shared: LinesShared;
  readonly #mayControl: () => boolean;
  #handler: ClientHandler | undefined;
  /** Lines that came while one is being answered: no more than one chunk of the stream has. */
  readonly #ahead = new Queue<string>();
  /** What these take, and what a message does that has begun; and the last time that it was counted. */
  #aheadBytes = 0;
  #begunBytes = 0;
  #unanswered = 0;
  #isAnswering = false;
  #isOver = false;
  /** Something was said that the outbox will hand over. */
  #isCorked = false;
  /** Drops a client that does not close its side, too. */
  #late: Timer | undefined;

  /**
   * @param socket the socket below it, or the TLS stream.
   * @param site the client's site.
   * @param now the time, in milliseconds.
   */
  constructor(
    webSocket: WebSocket,
    readonly socket: Socket,
    readonly site: string,
    shared: LinesShared,
    now: () => number,
  ) {
    this.#webSocket = webSocket;
    this.#shared = shared;
    this.#mayControl = tokenBucket({ now, ...CONTROL_FRAMES });
  }

  /** What was said and has not gone to the system yet, in bytes. */
  get waiting(): number {
    return this.#webSocket.bufferedAmount;
  }

  start(handler: ClientHandler): void {
    this.#handler = handler;
    const webSocket = this.#webSocket;
    const control = () => {
      if (this.#mayControl()) return true;
      this.drop();
      return false;
    };
    webSocket.on('message', (data, isBinary) => {
      if (this.#isOver) return;
      const line = isBinary || !Buffer.isBuffer(data) ? undefined : data.toString('utf8');
      // What another carrier cannot bring is no line.
      if (line === undefined || /[\r\n]/.test(line))
        handler.fault(new ProtocolError('Expected a line in each text frame'));
      else this.#receive(line);
    });
    webSocket.on('ping', (data) => {
      if (control()) webSocket.pong(data);
    });
    webSocket.on('pong', control);
    webSocket.on('error', noop);
    const begun = new BegunFrames();
    this.socket.on('data', (chunk: Buffer) => {
      this.#begunBytes = begun.push(chunk);
      this.#count();
    });
    webSocket.on('close', () => {
      this.#late?.stop();
      this.#finish();
      this.#countUnanswered(0);
      this.#shared.unread.forget(this);
      handler.gone();
    });
    webSocket.resume();
  }

  say(line: string): void {
    expectLine(line, REPLY_MAX_BYTES);
    if (this.#isOver) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.socket.cork();
      this.#shared.outbox.add(this);
    }
    this.#webSocket.send(line, noop);
  }

  /** Hands over what was said. */
  flush(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.socket.uncork();
    if (this.waiting > 0) this.#shared.unread.look(this);
  }

  close(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#webSocket.close(NORMAL_CLOSURE);
    this.flush();
    // The client's close frame is still read.
    this.#webSocket.resume();
    if (this.#webSocket.readyState === this.#webSocket.CLOSED) return;
    this.#late = this.#shared.timers.of(this);
    this.#late.start(REFUSED_MS);
  }

  /** The client has had its time to close. */
  due(): void {
    this.#webSocket.terminate();
  }

  drop(): void {
    this.#finish();
    this.#webSocket.terminate();
  }

  /** Others need the room that what it has sent takes. */
  giveWay(): void {
    this.drop();
  }

  /** Counts what waits. A client that is quiet, or says whole lines that are answered at once, is never counted. */
  #count(): void {
    if (!this.#isOver) this.#countUnanswered(this.#begunBytes + this.#aheadBytes);
  }

  #countUnanswered(bytes: number): void {
    if (bytes === this.#unanswered) return;
    this.#unanswered = bytes;
    this.#shared.unanswered.set(this, bytes);
  }

  #receive(line: string): void {
    if (this.#isAnswering) {
      this.#ahead.push(line);
      this.#aheadBytes += line.length + LINE_OVERHEAD;
      return;
    }
    const answered = this.#handler?.line(line);
    if (answered === undefined) return;
    this.#isAnswering = true;
    this.#webSocket.pause();
    void answered.then(() => {
      this.#isAnswering = false;
      this.#readOn();
    });
  }

  /** Has the lines answered that have come meanwhile, until one of them is answered later. */
  #readOn(): void {
    for (let line = this.#ahead.take(); line !== undefined; line = this.#ahead.take()) {
      this.#aheadBytes -= line.length + LINE_OVERHEAD;
      this.#count();
      this.#receive(line);
      if (this.#isAnswering || this.#isOver) return;
    }
    this.#webSocket.resume();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handler?.over();
  }
}
