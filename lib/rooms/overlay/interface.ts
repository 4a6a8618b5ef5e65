import type { PeerId } from '../../identity.js';
import type { Machine, Member, Random } from '../machine.js';
import type { OverlayMessage } from './messages.js';

/** What happens to the overlay. */
export type OverlayInput =
  /** Discovery has found members: hearsay. */
  | { readonly type: 'found'; readonly members: readonly Member[] }
  /** The room's channel with this peer is open, and both have said hello. It was asked for by a `dial`, or the peer has opened it. */
  | {
      readonly type: 'opened';
      readonly member: Member;
      /** What the peer is counted by where places are shared: where it comes from. Default: each by itself. */
      readonly site?: string | undefined;
    }
  /** A dial did not succeed. Each `dial` is followed by `opened` or `failed`. */
  | { readonly type: 'failed'; readonly id: PeerId }
  /** The channel with this peer has ended. */
  | { readonly type: 'closed'; readonly id: PeerId }
  | { readonly type: 'received'; readonly from: PeerId; readonly message: OverlayMessage }
  /** A neighbour does not do its part: the channel is closed, and it does not become a neighbour again for a while. */
  | { readonly type: 'suspect'; readonly id: PeerId }
  /** This node's own locator has changed. */
  | { readonly type: 'moved'; readonly self: Member }
  /** This node leaves the room. Nothing comes out after that. */
  | { readonly type: 'leave' }
  | { readonly type: 'wake' };

/** What the overlay wants done. */
export type OverlayOutput =
  /** Open the room's channel with this member, who is known by hearsay. */
  | { readonly type: 'dial'; readonly member: Member }
  | { readonly type: 'send'; readonly to: PeerId; readonly message: OverlayMessage }
  /** Close the channel with this peer after what was sent. No `closed` is expected. */
  | { readonly type: 'close'; readonly id: PeerId }
  /** This peer is a neighbour from now on. */
  | { readonly type: 'up'; readonly id: PeerId }
  /** This peer is a neighbour no longer. */
  | { readonly type: 'down'; readonly id: PeerId };

/** Sizes and times of the overlay. */
export interface OverlayOptions {
  /** Neighbours that a node looks for. Default: 5 (HyParView §5.1: log10(10,000) + 1). */
  readonly activeView?: number | undefined;
  /** Others whom it knows, in case that a neighbour goes. Default: 30 (HyParView §5.1: six times the active view). */
  readonly passiveView?: number | undefined;
  /** Between two shuffles, in milliseconds, give or take a quarter. Default: 60,000. */
  readonly shuffleMs?: number | undefined;
}

export interface OverlayConfig {
  /** This node. */
  readonly self: Member;
  readonly random: Random;
  readonly options?: OverlayOptions | undefined;
}

/** Who speaks to whom (HyParView). */
export interface Overlay extends Machine<OverlayInput, OverlayOutput> {
  /** The active view: the neighbours of now. */
  readonly neighbours: readonly Member[];
  /** The passive view: others who are said to be in the room. */
  readonly known: readonly Member[];
}
