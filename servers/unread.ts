import type { Socket } from 'node:net';
import type { SchedulerLike, Subscription } from 'rxjs';
import { ByteShares, type ByteHolder } from '../lib/bounds/byte-shares.js';

/** Limits on bytes that wait in a server for clients that do not read. */
export interface UnreadLimits {
  /** Bytes that wait for one client; it is dropped with more. */
  readonly unreadBytes: number;
  /** Bytes that wait for all clients of one site; with more, the client of them for which most wait is dropped. */
  readonly unreadBytesPerHost: number;
  /** Bytes that wait for all clients; with more, one of the site for which most wait is dropped. */
  readonly unreadBytesInAll: number;
  /** A client that does not read for so long while something waits for it is dropped, in milliseconds. */
  readonly unreadMs: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_UNREAD_LIMITS: UnreadLimits = {
  unreadBytes: MIB,
  unreadBytesPerHost: 8 * MIB,
  unreadBytesInAll: 256 * MIB,
  // TCP retransmits for longer, but a client that reads nothing for so long is probably gone.
  unreadMs: 20_000,
};

/** How many times in `unreadMs` the clients are checked for progress. */
const TICKS = 4;

/** What was handed to the system at once moves in one piece as far as it shows here: each piece of this length gets its time. */
const PIECE_BYTES = 64 * 1024;

/** A client for which something may wait. */
export interface Unreading {
  readonly socket: Socket;
  /** The site that it is counted by, which may change when another caller asks by the same proxy. */
  readonly site: string;
  /** How many bytes wait for it. */
  readonly waiting: number;
  /** Drops it. */
  drop(): void;
}

interface Watched extends ByteHolder {
  /** How many bytes had gone to the system when that last changed, and when that was. */
  moved: number;
  since: number;
}

/** Drops clients that do not read, so that what waits for them is bounded in bytes and in time. */
export class Unread {
  readonly #shares: ByteShares;
  /** Those for which something waits. */
  readonly #waiting = new Map<Unreading, Watched>();
  #ticking: Subscription | undefined;

  constructor(
    readonly limits: UnreadLimits,
    readonly scheduler: SchedulerLike,
  ) {
    const { unreadBytes, unreadBytesPerHost, unreadBytesInAll } = limits;
    this.#shares = new ByteShares({ mostOfOne: unreadBytes, mostOfSite: unreadBytesPerHost, most: unreadBytesInAll });
  }

  /** Looks at what waits for a client, after something was written to it. It is to be forgotten when its socket is closed. */
  look(client: Unreading): void {
    if (client.socket.destroyed) return;
    const bytes = client.waiting;
    const before = this.#waiting.get(client);
    if (before !== undefined && before.site !== client.site) this.forget(client);
    const watched = this.#waiting.get(client) ?? (bytes > 0 ? this.#begin(client) : undefined);
    if (watched !== undefined) this.#shares.set(watched, bytes);
  }

  /** Nothing waits for a client any more. */
  forget(client: Unreading): void {
    const watched = this.#waiting.get(client);
    if (watched === undefined) return;
    this.#waiting.delete(client);
    this.#shares.set(watched, 0);
  }

  close(): void {
    this.#ticking?.unsubscribe();
    this.#waiting.clear();
  }

  #begin(client: Unreading): Watched {
    const watched: Watched = {
      site: client.site,
      moved: movedOf(client.socket),
      since: this.scheduler.now(),
      giveWay: () => {
        this.forget(client);
        client.drop();
      },
    };
    this.#waiting.set(client, watched);
    this.#tickLater();
    return watched;
  }

  #tickLater(): void {
    this.#ticking ??= this.scheduler.schedule(() => {
      this.#ticking = undefined;
      for (const [client, watched] of this.#waiting) this.#check(client, watched);
      if (this.#waiting.size > 0) this.#tickLater();
    }, this.limits.unreadMs / TICKS);
  }

  #check(client: Unreading, watched: Watched): void {
    const { socket } = client;
    const bytes = client.waiting;
    if (bytes === 0) {
      this.forget(client);
      return;
    }
    this.#shares.set(watched, bytes);
    const now = this.scheduler.now();
    const moved = movedOf(socket);
    if (moved !== watched.moved) {
      watched.moved = moved;
      watched.since = now;
    }
    const pieces = Math.max(1, Math.ceil(socket.writableLength / PIECE_BYTES));
    if (now - watched.since >= pieces * this.limits.unreadMs) watched.giveWay();
  }
}

/** How many bytes have gone to the system. */
function movedOf(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}
