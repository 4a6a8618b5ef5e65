import type { PeerId } from '../../identity.js';
import type { Machine, Random } from '../machine.js';
import type { BroadcastMessage, Carried } from './messages.js';

/**
 * What the room says of a message. `accept`: it is delivered and passed on. `ignore`: it is genuine, but not wanted, and does neither.
 * `refuse`: it is not taken from this neighbour, which sends too much; another may bring it. `reject`: it is forged, which counts against
 * the neighbour, since that should have found out as well; another may bring the true one.
 */
export type Verdict = 'accept' | 'ignore' | 'refuse' | 'reject';

/** What happens to the broadcast. */
export type BroadcastInput =
  /** This peer is a neighbour from now on. */
  | { readonly type: 'up'; readonly id: PeerId }
  | { readonly type: 'down'; readonly id: PeerId }
  /** This node says something. */
  | { readonly type: 'publish'; readonly message: Carried }
  | { readonly type: 'received'; readonly from: PeerId; readonly message: BroadcastMessage }
  /** The answer to a `check`, after it or later. */
  | { readonly type: 'checked'; readonly id: string; readonly from: PeerId; readonly verdict: Verdict }
  | { readonly type: 'wake' };

/** What the broadcast wants done. */
export type BroadcastOutput =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: BroadcastMessage }
  /** Is this message genuine, new, and wanted? Each is followed by `checked`; before that it is neither delivered nor passed on. */
  | {
      readonly type: 'check';
      readonly from: PeerId;
      readonly message: Carried;
      /** Whether it is of the past that this node has asked for. */
      readonly isPast: boolean;
    }
  /** A message for the application, which was accepted. This node's own are not delivered to it. */
  | {
      readonly type: 'deliver';
      /** The neighbour by which it has come. */
      readonly from: PeerId;
      readonly message: Carried;
      /** Hops that it has made, as its way says: 1 from its author; 0 where it was there before this node came. */
      readonly hops: number;
      /** Whether it was there before this node came. */
      readonly isPast: boolean;
    }
  /** This neighbour announces and does not deliver, or passes on what is rejected, again and again. */
  | { readonly type: 'suspect'; readonly id: PeerId };

/** Sizes and times of the broadcast. */
export interface BroadcastOptions {
  /** Messages of before that a newcomer asks for. Default: 0; at most 64. */
  readonly history?: number | undefined;
  /** How long an announced message may take by another way until it is asked for, in milliseconds. Default: 500, and 1,500 for the first ones. */
  readonly graftMs?: number | undefined;
  /** The longest message that is taken, in bytes: what is announced as longer is never asked for. Default: any. */
  readonly messageBytes?: number | undefined;
}

export interface BroadcastConfig {
  /** This node. */
  readonly own: PeerId;
  readonly random: Random;
  readonly options?: BroadcastOptions | undefined;
}

/** How a message spreads (Plumtree). */
export type Broadcast = Machine<BroadcastInput, BroadcastOutput>;
