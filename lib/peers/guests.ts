import { catchError, EMPTY, ignoreElements, type Observable } from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { inRoom } from '../bounds/in-room.js';
import { siteOf } from '../bounds/site.js';
import { DialError } from '../errors.js';
import type { PeerId } from '../identity.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import type { Signal, Signalling } from '../signalling/signalling.js';
import type { ResolvedConfig } from '../config.js';
import { siteBuckets, tokenBucket } from '../bounds/rate-limit.js';
import type { Runtime } from '../runtime.js';
import type { Peers } from './peers.js';

/** The refusal of a node that is too busy. */
export const NOT_NOW = 'not now';

/** The peer, or this node, cannot do it at the moment: what was asked for may be asked for again. */
export class LaterError extends DialError {}

/** Decides whether peers may ask this node to do something for them. */
export interface Guests {
  /** Whether to answer a peer's request. `seenAt` is the address at which the carrier saw it. */
  readonly admits: (peerId: PeerId, seenAt: string | undefined) => boolean;
  /** Whether a refusal may be sent. Each costs a signal, and an attacker can make any number of keys. */
  readonly mayRefuse: () => boolean;
}

/** How much work a node does for others at once. */
export interface AnswerLimits {
  /** In all. */
  readonly most: number;
  /** For peers at one address. */
  readonly mostOfHost: number;
}

/** Limits the work that a node does for others at the same time. Sites share the room for it. */
export class AnswerRoom {
  readonly #room: Admission<() => void>;

  constructor({ most, mostOfHost }: AnswerLimits) {
    this.#room = new Admission({ most, mostOfSite: mostOfHost });
  }

  /** Whether there is room for work for a peer seen at an address, if necessary by evicting other work. */
  hasRoom(seenAt: string | undefined): boolean {
    return this.#room.hasRoomFor(siteOf(seenAt));
  }

  /** Counts work while it is subscribed to. Work that is evicted is unsubscribed from, and `refused$` follows. */
  count$<T>(seenAt: string | undefined, work$: Observable<T>, refused$: Observable<T>): Observable<T> {
    const gaveWay = new DialError('There is no room for what this peer asks for');
    return work$.pipe(
      inRoom({ room: this.#room, site: siteOf(seenAt), refusal: () => gaveWay }),
      catchError((error: unknown) => {
        if (error === gaveWay) return refused$;
        throw error;
      }),
    );
  }
}

/** Sends a refusal, unless too many were sent lately. Never emits, never fails. */
export function refuse$(signalling: Signalling, { mayRefuse }: Guests, to: PeerId, refusal: Signal): Observable<never> {
  return mayRefuse() ? signalling.send$(to, refusal).pipe(ignoreElements(), ignoreErrors()) : EMPTY;
}

/** What deciding needs. */
interface GuestsConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly peers: Peers;
}

/** The rate for one peer: all rounds of an attempt at once, and a few attempts a minute … */
const OF_PEER = { perSecond: 0.2, burst: 6 };

/** … and for all peers at one address: ten times as many. */
const OF_ADDRESS = { perSecond: 2, burst: 60 };

/** Refusals sent to all peers together: each costs a signal. */
const NOES = { perSecond: 2, burst: 20 };

/** How many peers' requests are counted. */
const MAX_ASKING = 1_000;

/**
 * Decides on requests of one kind. It admits a request when `acceptPeer` accepts the peer, a slot is free, and neither the peer nor
 * its address has sent too many requests.
 */
export function guestsOf({ config, runtime, peers }: GuestsConfig): Guests {
  const now = () => runtime.scheduler.now();
  const mayAsk = siteBuckets({ ...OF_PEER, maxSites: MAX_ASKING, now });
  const mayAskFrom = siteBuckets({ ...OF_ADDRESS, maxSites: MAX_ASKING, now });
  return {
    admits: (peerId, seenAt) =>
      mayAskFrom(siteOf(seenAt)) &&
      mayAsk(peerId) &&
      // A connected peer asks for another link of its connection.
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
