import type { TechniqueHost } from '../host.js';
import type { NodeTechnique } from '../technique.js';
import { dialByReverseConnect } from './dial.js';
import { answerDialBacks$, type Reversing } from './answer.js';
import { REVERSE_CONNECT } from './traits.js';
import type { Unl } from '../../unl/types.js';
import { guestsOf } from '../../peers/guests.js';
import { dialPeer$, type PeerDialConfig } from '../../peers/dial.js';
import { isOnLink } from '../../self/locator.js';
import type { Peers } from '../../peers/peers.js';

/** What a dial that a peer asks for needs of its node. */
interface ReversingConfig extends PeerDialConfig {
  readonly peers: Peers;
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
  /** Whether it may come to see a peer that no carrier of signals sees. */
  readonly looksForItself: boolean;
}

/** What a node gives to the dials that others ask for. */
function reversingOf(dependencies: ReversingConfig): Reversing {
  const { config, runtime, peers, own, looksForItself } = dependencies;
  return {
    own,
    ...guestsOf(dependencies),
    isOnLink,
    looksForItself,
    dial$: (endpoint, peerId, attemptId) =>
      dialPeer$(endpoint, { technique: REVERSE_CONNECT.name, attemptId, peerId }, dependencies),
    satisfied$: (peerId) => peers.satisfied$(peerId),
    adopt: (link, attemptId) => {
      peers.adoptAsked(link, attemptId);
    },
    staggerMs: config.timing.staggerMs,
    scheduler: runtime.scheduler,
  };
}

/** PyP2P's reverse connect by our own signals, which need a key. */
export function reverseConnect(host: TechniqueHost): NodeTechnique {
  return {
    ...REVERSE_CONNECT,
    dial: dialByReverseConnect,
    answer$: answerDialBacks$(host.signalling, reversingOf(host)),
  };
}
