import type { BroadcastInput, BroadcastOptions, BroadcastOutput } from './broadcast/interface.js';
import type { BroadcastMessage } from './broadcast/messages.js';
import type { PeerId } from '../identity.js';
import type { Machine, Member, Random } from './machine.js';
import type { OverlayInput, OverlayOptions, OverlayOutput } from './overlay/interface.js';
import type { OverlayMessage } from './overlay/messages.js';

/** What neighbours say to each other. */
export type GossipMessage = OverlayMessage | BroadcastMessage;

/** What happens: to the overlay or to the broadcast. What the one tells the other is not among it. */
export type GossipInput =
  | Exclude<OverlayInput, { readonly type: 'received' | 'suspect' }>
  | Exclude<BroadcastInput, { readonly type: 'received' | 'up' | 'down' }>
  | { readonly type: 'received'; readonly from: PeerId; readonly message: GossipMessage };

/** What is to be done. `up` and `down` are told as well, for those who want to know the neighbours. */
export type GossipOutput =
  | Exclude<OverlayOutput, { readonly type: 'send' }>
  | Exclude<BroadcastOutput, { readonly type: 'send' | 'suspect' }>
  | { readonly type: 'send'; readonly to: PeerId; readonly message: GossipMessage };

export interface GossipConfig {
  /** This node. */
  readonly self: Member;
  readonly random: Random;
  readonly options?: (OverlayOptions & BroadcastOptions) | undefined;
}

/** Both machines of a room as one. */
export interface Gossip extends Machine<GossipInput, GossipOutput> {
  /** The neighbours of now. */
  readonly neighbours: readonly Member[];
  /** Others who are said to be in the room. */
  readonly known: readonly Member[];
}
