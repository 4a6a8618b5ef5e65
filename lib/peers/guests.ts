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

/** What a peer says that has too much to do. */
export const NOT_NOW = 'not now';

/** Judges peers that ask this node to do something for them. */
export interface Guests {
  /** Whether a peer that asks is answered, and does not ask too often; `seenAt` is where it is seen. */
  readonly admits: (peerId: PeerId, seenAt: string | undefined) => boolean;
  /** Whether somebody may be told no: it costs a signal, and keys are free. */
  readonly mayRefuse: () => boolean;
}

/** How much others may have a node do at once. */
interface AnswerLimits {
  /** In all. */
  readonly most: number;
  /** For peers at one address. */
  readonly mostOfHost: number;
}

/** Counts what a node does for others at the moment. Peers at different sites share the room for it. */
export class AnswerRoom {
  readonly #room: Admission<() => void>;

  constructor({ most, mostOfHost }: AnswerLimits) {
    this.#room = new Admission({ most, mostOfSite: mostOfHost });
  }

  /** Whether there is room for one more that is asked for by a peer seen at an address, if need be in the place of another. */
  hasRoom(seenAt: string | undefined): boolean {
    return this.#room.hasRoomFor(siteOf(seenAt));
  }

  /** Counts work for as long as it is subscribed to. Where it has to give way to another's, it is unsubscribed, and `refused$` follows. */
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

/** Says no, unless that has been said too often lately. Never emits, never fails. */
export function refuse$(signalling: Signalling, { mayRefuse }: Guests, to: PeerId, refusal: Signal): Observable<never> {
  return mayRefuse() ? signalling.send$(to, refusal).pipe(ignoreElements(), ignoreErrors()) : EMPTY;
}

/** What it takes to judge peers that ask for something. */
interface GuestsConfig {
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
export function guestsOf({ config, runtime, peers }: GuestsConfig): Guests {
  const now = () => runtime.scheduler.now();
  const mayAsk = siteBuckets({ ...OF_PEER, maxSites: MAX_ASKING, now });
  const mayAskFrom = siteBuckets({ ...OF_ADDRESS, maxSites: MAX_ASKING, now });
  return {
    admits: (peerId, seenAt) =>
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
