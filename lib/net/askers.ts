import type { ResolvedConfig } from '../config.js';
import { hostKey } from '../endpoint.js';
import type { PeerId } from '../identity.js';
import { hostBuckets } from '../rate-limit.js';
import type { Runtime } from '../runtime.js';
import type { Peers } from './peers.js';

/** What it takes to judge peers that ask for something. */
export interface AskersConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly peers: Peers;
}

/** A peer may ask for all rounds of an attempt at once, and for a few attempts in a minute … */
const OF_PEER = { perSecond: 0.2, burst: 6 };

/** … and all who share an address for ten times as much. */
const OF_ADDRESS = { perSecond: 2, burst: 60 };

/** Peers whose asks are counted. */
const MAX_ASKING = 1_000;

/**
 * Makes a judge of peers that ask this node to send something to them: whether one is welcome, has room here, and does not ask
 * too often, nor others at the address where it is seen.
 */
export function askersOf({ config, runtime, peers }: AskersConfig) {
  const now = () => runtime.scheduler.now();
  const mayAsk = hostBuckets({ ...OF_PEER, maxHosts: MAX_ASKING, now });
  const mayAskFrom = hostBuckets({ ...OF_ADDRESS, maxHosts: MAX_ASKING, now });
  return (peerId: PeerId, seenAt: string | undefined): boolean =>
    mayAsk(peerId) && mayAskFrom(hostKey(seenAt ?? '0.0.0.0')) && peers.hasInboundSlot && isWelcome(config, peerId);
}

function isWelcome({ acceptPeer }: ResolvedConfig, peerId: PeerId): boolean {
  try {
    return acceptPeer(peerId);
  } catch {
    return false;
  }
}
