import type { Observable } from 'rxjs';
import { isPublicUnicast } from '../endpoint.js';
import type { PeerId } from '../identity.js';
import type { Delivery } from './carrier.js';

/** A small message between two nodes that cannot reach each other yet. */
export interface Signal {
  /** What it is; a receiver that does not know a kind ignores it. */
  readonly kind: string;
  /** Anything that JSON can carry. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A signal whose sender is proven. */
export interface ReceivedSignal extends Signal {
  /** Who sent it. */
  readonly from: PeerId;
  /**
   * The sender's address, as the server or node that carried the signal saw it, or where nobody did, a server on which the sender was met
   * before; `undefined` if it was not seen.
   */
  readonly seenAt: string | undefined;
  /**
   * This node's own address, where it has seen the sender itself, on a network that both are on. `seenAt` is an address of that network then, and tells
   * nothing of where others see the sender.
   */
  readonly seenBy?: string | undefined;
}

/** How a signal is to be sent. */
export interface SignalOptions {
  /** For how long it is of use, in milliseconds, ten minutes at most. Default: ten seconds. */
  readonly keepMs?: number | undefined;
  /** The family of the address at which the sender wants to be seen, where it has a choice. */
  readonly family?: 4 | 6 | undefined;
  /**
   * Whether to send it by every carrier at once, whatever they say: a server may believe a peer to be there that has just left,
   * or lie. What becomes of it is then `kept` where anybody keeps it. Default: by one after the other, until one delivers it.
   */
  readonly isEverywhere?: boolean | undefined;
}

/** A way for two nodes to exchange small messages that nobody else can read, forge or repeat. */
export interface Signalling {
  /** Sends a signal. Emits once what became of it, and completes. Never fails for want of a way. */
  send$(to: PeerId, signal: Signal, options?: SignalOptions): Observable<Delivery>;
  /** Signals to this node, each once, their senders proven. */
  readonly signal$: Observable<ReceivedSignal>;
  /**
   * How far a peer's clock and this node's are apart, in words, where it is so much that signals are dropped for it; `undefined` when
   * they agree, or nothing is known.
   */
  clockOf?(peerId: PeerId): string | undefined;
}

/** Whether somebody has seen the sender of a signal from outside of its network. */
export function isSeenFromOutside({ seenAt, seenBy }: Pick<ReceivedSignal, 'seenAt' | 'seenBy'>): boolean {
  return seenAt !== undefined && (seenBy === undefined || isPublicUnicast(seenAt));
}
