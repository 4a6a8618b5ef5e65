import type { Reversing } from '../techniques/reverse-connect.js';
import { reverseConnect } from '../techniques/reverse-connect.js';
import type { Unl } from '../unl/types.js';
import { askersOf } from './askers.js';
import { dialPeer$, type DialConfig } from './dial.js';
import { isOnLink } from './locator.js';
import type { Peers } from './peers.js';

/** What dials that others ask for are made of. */
export interface ReversingConfig extends DialConfig {
  readonly peers: Peers;
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
}

/** What a node gives to the dials that others ask for. */
export function reversingOf(given: ReversingConfig): Reversing {
  const { config, runtime, peers, own } = given;
  return {
    own,
    ...askersOf(given),
    isOnLink,
    dial$: (endpoint, peerId, attemptId) =>
      dialPeer$(endpoint, { technique: reverseConnect.name, attemptId, peerId }, given),
    satisfied$: (peerId) => peers.satisfied$(peerId),
    adopt: (link, attemptId) => {
      peers.adoptAsked(link, attemptId);
    },
    staggerMs: config.timing.staggerMs,
    scheduler: runtime.scheduler,
  };
}
