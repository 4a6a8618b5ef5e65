import type { Socket } from 'node:net';
import type { Unread, Unreading } from '../unread.js';
import type { Blocks } from './blocks.js';
import { READ_BYTES, type ReusedBuffer } from './reused-buffer.js';

/** A node at the relay. */
export interface Member {
  readonly socket: Socket;
  /** The site that it is counted by. */
  readonly site: string;
}

/** What all ways of a relay share. */
export interface WayShared {
  /** Bytes that wait for a node with which whoever writes to it is paused. */
  readonly bufferedBytes: number;
  readonly buffer: Pick<ReusedBuffer, 'readFrom'>;
  readonly blocks: Blocks;
  /** Watches what waits for nodes. */
  readonly unread: Pick<Unread, 'look' | 'forget'>;
}

/** The two ways between two nodes. */
export interface WayOwner {
  /** Nothing is to be read now. */
  readonly isHeld: boolean;
  /** Counts bytes. Returns whether they may be passed on. */
  admit(bytes: number): boolean;
  /** More waits for a node than its site may have. */
  tooMuchWaits(): void;
  /** The socket that a way reads is closed. */
  closed(way: Way): void;
}

/** The overhead that each waiting piece is counted with, so that tiny pieces cannot use unbounded memory. */
const PIECE_OVERHEAD = 256;

/** A smaller piece gets memory of its own length, so that no more is in use than is counted, or twice that. */
const MIN_BLOCK_BYTES = READ_BYTES / 2;

/** Passes on what comes from one node to the other, no faster than that reads. */
export class Way implements Unreading {
  readonly #owner: WayOwner;
  readonly #shared: WayShared;
  #isFull = false;
  /** How many pieces wait, each of which costs more than its bytes. */
  #pieces = 0;
  readonly #onWritten = () => {
    this.written();
  };

  constructor(
    readonly from: Member,
    readonly to: Member,
    owner: WayOwner,
    shared: WayShared,
  ) {
    this.#owner = owner;
    this.#shared = shared;
  }

  /** That of the reader, for whom bytes may wait. */
  get socket(): Socket {
    return this.to.socket;
  }

  /** That of the reader. */
  get site(): string {
    return this.to.site;
  }

  get waiting(): number {
    return this.socket.writableLength;
  }

  drop(): void {
    this.#owner.tooMuchWaits();
  }

  start(): void {
    const { socket } = this.from;
    socket
      .on('data', (bytes: Buffer) => {
        if (this.#owner.admit(bytes.length)) this.#write(bytes, this.#onWritten);
      })
      .on('end', () => {
        this.socket.end();
      })
      .on('close', () => {
        this.#owner.closed(this);
      });
    this.#shared.buffer.readFrom(socket, (buffer, length) => {
      if (this.#owner.admit(length)) this.#writeCopy(buffer, length);
    });
    this.goOn();
  }

  /** Reads, unless it is held or its reader is slow. */
  goOn(): void {
    if (!this.#isFull && !this.#owner.isHeld) this.from.socket.resume();
  }

  /** A piece has gone to the system. */
  written(): void {
    if (!this.#isFull || this.socket.writableLength > 0 || this.socket.destroyed) return;
    this.#isFull = false;
    this.goOn();
  }

  #writeCopy(buffer: Buffer, length: number): void {
    if (length < MIN_BLOCK_BYTES) {
      // Not from Node's pool, of which a few bytes would keep 8 KiB.
      const piece = Buffer.allocUnsafeSlow(length);
      buffer.copy(piece, 0, 0, length);
      this.#write(piece, this.#onWritten);
      return;
    }
    const { bytes, onWritten } = this.#shared.blocks.copyOf(buffer, length, this);
    this.#write(bytes, onWritten);
  }

  #write(piece: Buffer, onWritten: () => void): void {
    const { socket } = this;
    socket.write(piece, onWritten);
    const waiting = socket.writableLength;
    // The kernel took it at once, so nothing waits and there is no reason to pause.
    if (waiting === 0) {
      this.#pieces = 0;
      return;
    }
    this.#shared.unread.look(this);
    this.#pieces = waiting === piece.length ? 1 : this.#pieces + 1;
    if (waiting + this.#pieces * PIECE_OVERHEAD < this.#shared.bufferedBytes) return;
    this.#isFull = true;
    this.from.socket.pause();
  }
}
