import type { Observable } from 'rxjs';
import type { PeerId } from '../identity.js';

/** What can carry signals. */
export const CARRIER_NAMES = ['rendezvous', 'dht', 'mailbox', 'mqtt', 'lan'] as const;

/**
 * What can carry signals.
 *
 * @useDeclaredType
 */
export type CarrierName = (typeof CARRIER_NAMES)[number];

/**
 * What became of a signal. `delivered`: the peer has it, or is connected to the server that has it and gets it at once. `kept`:
 * it waits for the peer, which may or may not fetch it. `absent`: no carrier took it.
 */
export type Delivery = 'delivered' | 'kept' | 'absent';

/** A sealed signal as a carrier brings it. */
export interface Parcel {
  readonly bytes: Buffer;
  /** Who sent it, as the carrier says; nothing is proven yet. `undefined` where the carrier does not know. */
  readonly from: PeerId | undefined;
  /** The sender's address, as the server or node that carried the parcel saw it; `undefined` if it was not seen. */
  readonly seenAt: string | undefined;
  /** This node's own address, where it has seen the sender itself, on a network that both are on. */
  readonly seenBy?: string | undefined;
  /** What has brought it, where nobody sees its sender: parcels of one such server or broker have turns together, as those of one site. */
  readonly via?: string | undefined;
  /**
   * Tells the carrier that the signal has been dealt with, so that it need not bring it again. What is not acknowledged within
   * seconds comes again, where the carrier keeps it.
   */
  readonly acknowledge: () => void;
}

/** How a signal is to be carried. */
export interface SendOptions {
  /** For how long it is of use, in milliseconds, at most `KEEP_MAX_MS`. */
  readonly keepMs: number;
  /** The family of the address at which the sender wants to be seen, where it has a choice. */
  readonly family?: 4 | 6 | undefined;
}

/**
 * Carries sealed signals between two nodes that cannot reach each other yet. Its operator can lose, delay and repeat signals. It
 * cannot read or change them, and cannot forge their sender or receiver.
 */
export interface Carrier {
  readonly name: CarrierName;
  /**
   * Whether it never tells at which address a sender is seen from outside of its network. What needs that address goes by the others first. Default: no.
   */
  readonly isBlind?: boolean | undefined;
  /** What comes for this node, in any order. May bring a parcel again. Never fails. */
  readonly parcel$: Observable<Parcel>;
  /** Carries a parcel of at most `PARCEL_MAX_BYTES`. Emits once what became of it, and completes. Never fails. */
  send$(to: PeerId, bytes: Buffer, options: SendOptions): Observable<Delivery>;
}
