import type { Socket } from 'node:net';
import { defer, finalize, Observable, tap } from 'rxjs';
import { DialError } from '../errors.js';
import { readNonce$ } from './plain-wire.js';
import { endpointsOf } from '../link/tcp.js';
import { within } from '../operators/within.js';
import type { Runtime } from '../runtime.js';
import { Seen } from '../bounds/seen.js';

/** A mailbox keeps a request for ten minutes, and the peer may take another minute to dial. */
const LATE_MS = 660_000;

/** How many nonces are remembered for that time. */
const MAX_REMEMBERED = 10_000;

/** A subscriber that waits for a nonce. */
interface Waiting {
  readonly addresses: readonly string[];
  readonly take: (socket: Socket) => void;
}

/** The nonces by which this node recognises inbound connections that it has asked for. */
export class Nonces {
  readonly #waiting = new Map<string, Waiting>();
  readonly #asked: Seen;

  /** @param now the time, in milliseconds. */
  constructor(now: () => number) {
    this.#asked = new Seen({ forMs: LATE_MS, maxEntries: MAX_REMEMBERED, now });
  }

  /** Waits for the socket on which a nonce comes from one of these addresses. Emits it and completes. */
  arrival$(nonce: string, addresses: readonly string[]): Observable<Socket> {
    return new Observable((subscriber) => {
      const name = nonce.toLowerCase();
      this.#asked.add(name);
      this.#waiting.set(name, {
        addresses,
        take: (socket) => {
          subscriber.next(socket);
          subscriber.complete();
        },
      });
      return () => {
        this.#waiting.delete(name);
      };
    });
  }

  /**
   * Hands a socket over to the subscriber that waits for its nonce. Returns false for an unknown nonce, and for all zeros.
   *
   * @throws DialError when it comes from another address, or the wait for it is over.
   */
  take(nonce: string, socket: Socket): boolean {
    const name = nonce.toLowerCase();
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) {
      if (!this.#asked.has(name)) return false;
      throw new DialError('Nobody waits any more for the connection that its nonce is of');
    }
    if (!waiting.addresses.includes(endpointsOf(socket).remote.address)) {
      throw new DialError('Its nonce was given to another address');
    }
    waiting.take(socket);
    return true;
  }
}

/** What waiting for a nonce needs. */
interface NonceConfig {
  /** For how long, in milliseconds. */
  readonly withinMs: number;
  /** The error message when that time is over. */
  readonly late: string;
  readonly runtime: Runtime;
  /** Takes the socket, from which the nonce has been read. Throws to refuse it. */
  readonly take: (nonce: string) => void;
}

/**
 * Waits for PyP2P's nonce on a socket, and hands the socket to `take`. Emits the nonce and completes. Closes the socket if it is not
 * taken, also when unsubscribed from before.
 *
 * @throws TimeoutError, ProtocolError when something else comes, and whatever `take` throws.
 */
export function takeWithNonce$(socket: Socket, { withinMs, late, runtime, take }: NonceConfig): Observable<string> {
  return defer(() => {
    let isTaken = false;
    return readNonce$(socket).pipe(
      within(withinMs, late, runtime.scheduler),
      tap((nonce) => {
        take(nonce);
        isTaken = true;
      }),
      finalize(() => {
        if (!isTaken) socket.destroy();
      }),
    );
  });
}
