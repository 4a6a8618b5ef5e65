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

/** The name of a technique. */
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

/** Which techniques to try, once it is known with whom. */
export type StagesFor = (peer: Unl) => Stages;

/**
 * The techniques to try: the ones named, each with a head start over the next; else all of them, those of one stage side by
 * side. A peer that can be dialled is dialled before anything else is tried; with any other peer there is no time to lose.
 * To PyP2P's nodes there are techniques for each kind of node.
 *
 * @throws InvalidOptionError when a name is none.
 */
export function stagesOf(names: readonly string[] | undefined): StagesFor {
  const named = names?.map((name) => [TECHNIQUES[expectOneOf('techniques', name, TECHNIQUE_NAMES)]]);
  return (peer) => named ?? (peer.version === 2 ? stagesForPyp2p(peer) : stagesForOurs(peer));
}

function stagesForOurs({ nodeType }: Unl): Stages {
  const byMessage = [simultaneousOpen, reverseConnect];
  return nodeType === 'passive' ? [[direct], byMessage] : [[direct, ...byMessage]];
}

function stagesForPyp2p({ nodeType }: Unl): Stages {
  switch (nodeType) {
    case 'passive':
      return [[direct]];
    case 'simultaneous':
      return [[direct, reverseQuery, challenge]];
    case 'active':
      return [[direct, reverseQuery]];
  }
}
