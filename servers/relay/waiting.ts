import type { Socket } from 'node:net';
import { Gathered } from '../../lib/bounds/gathered.js';
import type { Due, Timer, Timers } from '../timers.js';
import type { Member } from './way.js';

/** How much is read from a waiting node, in bytes: more than its part of a TLS handshake. */
const EARLY_BYTES = 4_096;

/** Why a waiting node is sent away. `gaveWay`: a newcomer of a smaller site evicted it. */
export type VainReason = 'unpaired' | 'gaveWay';

/** What all waiting nodes of a relay share. */
export interface WaitingShared {
  readonly timers: Timers;
  /** For how long a node waits, in milliseconds. */
  readonly unpairedMs: number;
  /** Is told that a node waits no longer, and why, if it was sent away for a limit: once, unless the other has come. */
  waitedInVain(waiting: Waiting, why: VainReason | undefined): void;
  /** Is told that the socket of a node is closed. */
  left(node: Member): void;
}

/**
 * A node that waits for another. A little is read from it, so that its end is noticed. The rest stays unread, and TCP holds it back.
 */
export class Waiting implements Member, Due {
  readonly #shared: WaitingShared;
  readonly #overdue: Timer;
  readonly #early = new Gathered();
  #isOver = false;

  constructor(
    readonly socket: Socket,
    readonly site: string,
    readonly token: string,
    shared: WaitingShared,
  ) {
    this.#shared = shared;
    this.#overdue = shared.timers.of(this);
  }

  start(): void {
    this.#overdue.start(this.#shared.unpairedMs);
    this.socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
  }

  /** The other has come: puts back what was read, and leaves the socket to whoever joins the two. */
  meet(): void {
    const { socket } = this;
    this.#stop();
    socket.off('close', this.#onClose).pause();
    if (!socket.destroyed && this.#early.length > 0) socket.unshift(this.#early.take());
  }

  giveWay(): void {
    this.leave('gaveWay');
  }

  due(): void {
    this.leave('unpaired');
  }

  /** It waits no longer. */
  leave(why?: VainReason): void {
    if (this.#isOver) return;
    this.#stop();
    this.socket.destroy();
    this.#shared.waitedInVain(this, why);
  }

  #stop(): void {
    this.#isOver = true;
    this.#overdue.stop();
    this.socket.off('data', this.#onData).off('end', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer) => {
    this.#early.push(chunk);
    if (this.#early.length >= EARLY_BYTES) this.socket.pause();
  };

  readonly #onEnd = () => {
    this.leave();
  };

  readonly #onClose = () => {
    this.leave();
    this.#shared.left(this);
  };
}
