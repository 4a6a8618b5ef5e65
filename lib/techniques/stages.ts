import { isNear } from '../unl/near.js';
import type { Unl } from '../unl/types.js';
import { expectOneOf } from '../validate.js';
import { challenge } from './challenge.js';
import { direct } from './direct.js';
import { relay } from './relay.js';
import { reverseConnect } from './reverse-connect.js';
import { reverseQuery } from './reverse-query.js';
import { simultaneousOpen } from './simultaneous-open.js';
import type { Stages, Technique } from './technique.js';

/** What `--technique` and `options.techniques` can name, best first. */
export const TECHNIQUE_NAMES = [
  'direct',
  'simultaneous-open',
  'reverse-connect',
  'challenge',
  'reverse-query',
  'relay',
] as const;

/**
 * The name of a technique that comes with the library, best first.
 *
 * @useDeclaredType
 */
export type TechniqueName = (typeof TECHNIQUE_NAMES)[number];

/** The techniques by their names. */
const TECHNIQUES: Readonly<Record<TechniqueName, Technique>> = {
  direct,
  'simultaneous-open': simultaneousOpen,
  'reverse-connect': reverseConnect,
  challenge,
  'reverse-query': reverseQuery,
  relay,
};

/** What is to be tried. */
export interface StagesOptions {
  /** Only these, in this order: by name, or an application's own. Default: all that can work, best first. */
  readonly techniques?: readonly (string | Technique)[] | undefined;
  /** Whether a relay is tried at once. Default: when neither node can be dialled from afar. */
  readonly relayFirst?: boolean | undefined;
}

/** Which techniques to try, once it is known who and where both nodes are. */
export type StagesFor = (own: Unl, peer: Unl) => Stages;

/** For a dial and the TLS handshake behind it, in round trips; one more for what gets lost, or is slower than it was. */
const DIAL_LEAD = 3;

/** For a dial on one network, in round trips to a server somewhere else: it takes next to no time. */
const NEAR_LEAD = 1;

/** For a signal there and a link back, in round trips. */
const MESSAGE_LEAD = 6;

/**
 * The techniques to try: the ones given, each with a head start over the next; else all of them, those of one stage side by
 * side. A peer that can be dialled is dialled before anything else is tried; with any other peer there is no time to lose. A
 * relay comes last; but where neither node can be dialled, it is tried at the same time as the rest, and carries lines until
 * there is a direct link. To PyP2P's nodes there are techniques for each kind of node.
 *
 * @throws InvalidOptionError when a name is none.
 */
export function stagesOf({ techniques, relayFirst }: StagesOptions = {}): StagesFor {
  const given = techniques?.map((each) => {
    const technique = typeof each === 'string' ? TECHNIQUES[expectOneOf('techniques', each, TECHNIQUE_NAMES)] : each;
    return { techniques: [technique], lead: relayFirst === true && technique === relay ? 0 : DIAL_LEAD };
  });
  // It has no lead over the others, and they have none over it.
  if (relayFirst === true) given?.sort((a, b) => a.lead - b.lead);
  return (own, peer) => {
    if (given !== undefined) return given;
    return peer.version === 2 ? stagesForPyp2p(peer) : stagesForOurs(own, peer, relayFirst);
  };
}

function stagesForOurs(own: Unl, peer: Unl, wanted: boolean | undefined): Stages {
  const relayFirst = wanted ?? isNeitherDialled(own, peer);
  const byMessage = [simultaneousOpen, reverseConnect];
  const last = { techniques: [relay], lead: 0 };
  const lead = relayFirst ? (wanted === undefined && isNear(own, peer) ? NEAR_LEAD : 0) : MESSAGE_LEAD;
  if (peer.nodeType !== 'passive') return [{ techniques: [direct, ...byMessage], lead }, last];
  return [
    { techniques: [direct], lead: relayFirst ? 0 : DIAL_LEAD },
    ...(relayFirst ? [last] : []),
    { techniques: byMessage, lead: MESSAGE_LEAD },
    ...(relayFirst ? [] : [last]),
  ];
}

/** Whether both are behind NATs or firewalls that let nobody in. */
function isNeitherDialled(own: Unl, peer: Unl): boolean {
  return own.nodeType !== 'passive' && peer.nodeType !== 'passive';
}

function stagesForPyp2p({ nodeType }: Unl): Stages {
  const stage = (...techniques: Technique[]) => [{ techniques, lead: 0 }];
  switch (nodeType) {
    case 'passive':
      return stage(direct);
    case 'simultaneous':
      return stage(direct, reverseQuery, challenge);
    case 'active':
      return stage(direct, reverseQuery);
  }
}

/** The same without what is not direct: for a connection that has a relayed link already. */
export function withoutRelay(stages: Stages): Stages {
  return stages
    .map(({ techniques, lead }) => ({ techniques: techniques.filter((technique) => technique !== relay), lead }))
    .filter(({ techniques }) => techniques.length > 0);
}
