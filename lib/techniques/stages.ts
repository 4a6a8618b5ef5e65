import { isNear } from '../unl/near.js';
import type { Unl } from '../unl/types.js';
import { expectOneOf } from '../validate.js';
import { TECHNIQUE_NAMES, type NodeTechnique, type Stages, type Technique } from './technique.js';

/** Which techniques to try. */
export interface StagesOptions {
  /** Only these, in this order: by name, or an application's own. Default: all that can work, best first. */
  readonly techniques?: readonly (string | Technique)[] | undefined;
  /** Whether a relay is tried at once. Default: when the peer cannot be dialled from afar, and it is not certain that this node can. */
  readonly relayFirst?: boolean | undefined;
}

/**
 * Which techniques to try, once it is known who and where both nodes are.
 *
 * @param isDialled whether others can dial this node for certain. Default: what its locator says, which is a guess at first.
 */
export type StagesFor = (own: Unl, peer: Unl, isDialled?: boolean) => Stages;

/** A dial and its TLS handshake, in round trips, with one to spare for loss and jitter. */
const DIAL_LEAD = 3;

/** A dial on the local network, in round trips to a distant server: it takes almost no time. */
const NEAR_LEAD = 1;

/** A signal to the peer and a link back, in round trips. */
const MESSAGE_LEAD = 6;

/**
 * The techniques to try: the ones given, each with a head start over the next; else all of them, those of one stage side by
 * side. A peer that can be dialled is dialled before anything else is tried; with any other peer there is no time to lose. A
 * relay comes last; but where the peer cannot be dialled, and it is not certain that this node can, it is tried at the same time as the
 * rest, and carries lines until there is a direct link.
 *
 * @param all the techniques that the node has, best first.
 * @throws InvalidOptionError when a name is none.
 */
export function stagesOf(all: readonly NodeTechnique[], { techniques, relayFirst }: StagesOptions = {}): StagesFor {
  const chosen = techniques?.flatMap((each) =>
    (typeof each === 'string' ? named(all, each) : [each]).map((technique) => ({
      techniques: [technique],
      lead: relayFirst === true && technique.isRelayed === true ? 0 : DIAL_LEAD,
    })),
  );
  // A relay that is tried first runs without a head start on either side.
  if (relayFirst === true) chosen?.sort((a, b) => a.lead - b.lead);
  return (own, peer, isDialled = own.nodeType === 'passive') => {
    if (chosen !== undefined) return chosen;
    const those = (stage: NodeTechnique['stage']) =>
      all.filter((technique) => technique.stage === stage && technique.serves(peer));
    // For PyP2P's nodes all techniques are tried side by side; there are no relays.
    if (peer.version === 2) return [{ techniques: [...those('dial'), ...those('signal')], lead: 0 }];
    return stagesFor(own, peer, those, relayFirst ?? (!isDialled && peer.nodeType !== 'passive'), relayFirst);
  };
}

/** The technique of a name. */
function named(all: readonly NodeTechnique[], name: string): readonly NodeTechnique[] {
  const wanted = expectOneOf('techniques', name, TECHNIQUE_NAMES);
  return all.filter((technique) => technique.name === wanted);
}

function stagesFor(
  own: Unl,
  peer: Unl,
  those: (stage: NodeTechnique['stage']) => readonly Technique[],
  relayFirst: boolean,
  wanted: boolean | undefined,
): Stages {
  const last = { techniques: those('relay'), lead: 0 };
  const lead = relayFirst ? (wanted === undefined && isNear(own, peer) ? NEAR_LEAD : 0) : MESSAGE_LEAD;
  if (peer.nodeType !== 'passive') {
    const first = { techniques: [...those('dial'), ...those('signal')], lead };
    // Nothing but a relay connects two such NATs: its request is not to wait for the others to be written.
    return lead === 0 && isRandom(own) && isRandom(peer) ? [last, first] : [first, last];
  }
  return [
    { techniques: those('dial'), lead: relayFirst ? 0 : DIAL_LEAD },
    ...(relayFirst ? [last] : []),
    { techniques: those('signal'), lead: MESSAGE_LEAD },
    ...(relayFirst ? [] : [last]),
  ];
}

/** Whether a node is behind a NAT whose ports nobody can guess. */
function isRandom(unl: Unl): boolean {
  return unl.version === 3 && unl.natType.type === 'random';
}

/** The same stages without relays, for a connection that has a relayed link already. */
export function withoutRelay(stages: Stages): Stages {
  return stages
    .map((stage) => ({ ...stage, techniques: stage.techniques.filter(({ isRelayed }) => isRelayed !== true) }))
    .filter(({ techniques }) => techniques.length > 0);
}
