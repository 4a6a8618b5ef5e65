import { PassThrough } from 'node:stream';
import { NEVER, type SchedulerLike } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import type { Link } from '../../lib/link/link.js';
import { CHALLENGE } from '../../lib/pyp2p/challenge.js';
import { REVERSE_QUERY } from '../../lib/pyp2p/reverse-query.js';
import { direct } from '../../lib/techniques/direct.js';
import { PUNCH } from '../../lib/techniques/punch/traits.js';
import { RELAY } from '../../lib/techniques/relay/traits.js';
import { REVERSE_CONNECT } from '../../lib/techniques/reverse-connect/traits.js';
import { TURN } from '../../lib/techniques/turn/traits.js';
import type { Attempt, Dial, NodeTechnique, Technique } from '../../lib/techniques/technique.js';
import { peerIdOf, unlOf } from './locators.js';

/** A link that leads nowhere. */
export function linkOf(technique: string): Link {
  const endpoint = { address: '192.0.2.1', port: 1 };
  return { peerId: peerIdOf(7), stream: new PassThrough(), local: endpoint, remote: endpoint, technique, direct: true };
}

/** An attempt in virtual time to reach a peer, and whatever a spec changes. */
export function attemptOf(scheduler: SchedulerLike, fields: Partial<Attempt> = {}): Attempt {
  return {
    id: 'attempt',
    peer: unlOf({ peerId: peerIdOf(7) }),
    own: unlOf({ peerId: peerIdOf(8) }),
    dial$: () => NEVER,
    mayDial: () => true,
    secure$: () => NEVER,
    expect$: () => NEVER,
    signalling: { send$: () => NEVER, signal$: NEVER },
    roundTripMs: undefined,
    timing: { ...DEFAULT_TIMING, staggerMs: 3, techniqueMs: 20 },
    scheduler,
    ...fields,
  };
}

/** A technique that does what a spec says. */
export function techniqueOf(name: string, dial: Dial): Technique {
  return { name, dial };
}

/** The techniques of a node that has yet to be found out about. */
export const NODE_TECHNIQUES: readonly NodeTechnique[] = [
  direct,
  ...[PUNCH, REVERSE_CONNECT, REVERSE_QUERY, CHALLENGE, RELAY].map((traits) => ({
    ...traits,
    dial: () => NEVER,
    answer$: NEVER,
  })),
  // Neither side has a TURN server.
  { ...TURN, serves: () => false, dial: () => NEVER, answer$: NEVER },
];
