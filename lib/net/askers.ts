import type { ResolvedConfig } from '../config.js';
import { siteOf } from '../bounds/site.js';
import type { PeerId } from '../identity.js';
import { siteBuckets, tokenBucket } from '../bounds/rate-limit.js';
import type { Runtime } from '../runtime.js';
import type { Welcoming } from '../techniques/answering.js';
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

/** Noes that are said, to all together: each costs a signal. */
const NOES = { perSecond: 2, burst: 20 };

/** Peers whose asks are counted. */
const MAX_ASKING = 1_000;

/**
 * Makes a judge for one kind of ask: who asks has to be welcome, to find room here, and not to ask too often, nor others at the address
 * where it is seen.
 */
export function askersOf({ config, runtime, peers }: AskersConfig): Welcoming {
  const now = () => runtime.scheduler.now();
  const mayAsk = siteBuckets({ ...OF_PEER, maxSites: MAX_ASKING, now });
  const mayAskFrom = siteBuckets({ ...OF_ADDRESS, maxSites: MAX_ASKING, now });
  return {
    welcomes: (peerId, seenAt) =>
      mayAskFrom(siteOf(seenAt)) &&
      mayAsk(peerId) &&
      // One that has a connection here asks for another link of it.
      (peers.get(peerId) !== undefined || (peers.hasInboundSlotFor(seenAt) && isWelcome(config, peerId))),
    mayRefuse: tokenBucket({ ...NOES, now }),
  };
}

function isWelcome({ acceptPeer }: ResolvedConfig, peerId: PeerId): boolean {
  try {
    return acceptPeer(peerId);
  } catch {
    return false;
  }
}
