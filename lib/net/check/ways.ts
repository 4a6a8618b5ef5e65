import { synsBetween } from '../../nat/punchable.js';
import type { NatType } from '../../unl/types.js';

/**
 * How one node gets to another. `dial`: it connects, as to any server. `dial-back`: the other is asked to dial it. `punch`: both send at the
 * same moment, to ports that are predicted. `punch-many`: the same, by hundreds of ports. `relay`: both meet at a relay. `none`: there is no way.
 */
export type Means = 'dial' | 'dial-back' | 'punch' | 'punch-many' | 'relay' | 'none';

/** A kind of peer, by its network. */
export type PeerKind = 'reachable' | 'predictable' | 'counting' | 'random';

/** How this node and peers of one kind get to each other. */
export interface Ways {
  /** What kind of peers. */
  readonly peer: PeerKind;
  /** How this node reaches them. */
  readonly toReach: Means;
  /** How they reach this node. */
  readonly toBeReached: Means;
}

/** What matters of this node. */
export interface Standing {
  /** Whether others can dial it. */
  readonly canBeDialled: boolean;
  /** How its NAT maps ports, by the family of addresses that is best for punching; `undefined` where no server has shown it. */
  readonly natType: NatType | undefined;
  /** Whether anything carries signals for it. */
  readonly hasSignals: boolean;
  /** Whether anybody shows it where peers are, and peers where it is: without that nobody punches, or dials back. */
  readonly isShown: boolean;
  /** Whether it may meet peers at a relay. */
  readonly hasRelay: boolean;
  /** Whether it tries hundreds of ports. */
  readonly triesMany: boolean;
}

/** The kinds of peers, and what matters of each. */
const PEERS: readonly { readonly peer: PeerKind; readonly canBeDialled: boolean; readonly natType: NatType }[] = [
  { peer: 'reachable', canBeDialled: true, natType: { type: 'open' } },
  { peer: 'predictable', canBeDialled: false, natType: { type: 'preserving' } },
  { peer: 'counting', canBeDialled: false, natType: { type: 'delta', delta: 1 } },
  { peer: 'random', canBeDialled: false, natType: { type: 'random' } },
];

/**
 * How a node and each kind of peers get to each other, as far as the networks are concerned: peers are taken to have signals and relays in common
 * with it. Pure.
 *
 * @example
 * const standing = { canBeDialled: true, natType: undefined, hasSignals: true, isShown: true, hasRelay: false, triesMany: true };
 * waysOf(standing)[1]; // { peer: 'predictable', toReach: 'dial-back', toBeReached: 'dial' }
 */
export function waysOf(standing: Standing): readonly Ways[] {
  return PEERS.map((peer) => ({
    peer: peer.peer,
    toReach: meansOf(standing, peer.canBeDialled, standing.canBeDialled, peer.natType),
    toBeReached: meansOf(standing, standing.canBeDialled, peer.canBeDialled, peer.natType),
  }));
}

function meansOf(
  { natType, hasSignals, isShown, hasRelay, triesMany }: Standing,
  isThereDialled: boolean,
  isHereDialled: boolean,
  theirs: NatType,
): Means {
  if (isThereDialled) return 'dial';
  const isSeen = hasSignals && isShown;
  if (isSeen && isHereDialled) return 'dial-back';
  const syns = !isSeen || natType === undefined || natType.type === 'unknown' ? 'never' : synsBetween(natType, theirs);
  if (syns === 'few') return 'punch';
  if (syns === 'many' && triesMany) return 'punch-many';
  return hasSignals && hasRelay ? 'relay' : 'none';
}
