import { catchError, EMPTY, ignoreElements, type Observable } from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { inRoom } from '../bounds/in-room.js';
import { siteOf } from '../bounds/site.js';
import { DialError } from '../errors.js';
import type { PeerId } from '../identity.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import type { ReceivedSignal, Signal, Signalling } from '../signalling/signalling.js';
import type { ResolvedConfig } from '../config.js';
import { siteBuckets, tokenBucket } from '../bounds/rate-limit.js';
import type { Runtime } from '../runtime.js';
import type { Peers } from './peers.js';

/** The refusal of a node that is too busy. */
export const NOT_NOW = 'not now';

/** The peer, or this node, cannot do it at the moment: what was asked for may be asked for again. */
export class LaterError extends DialError {}

/** Who asks: the key that has signed the request, and the address at which a carrier saw its sender. */
export type Sender = Pick<ReceivedSignal, 'from' | 'seenAt'>;

/** Decides whether peers may ask this node to do something for them. */
export interface Guests {
  /** Whether to answer a peer's request. */
  readonly admits: (sender: Sender) => boolean;
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

/** Work for one peer that no carrier has seen: an attempt may try a technique again while it still runs. */
const MOST_OF_KEY = 2;

/**
 * Limits the work that a node does for others at the same time. Sites share the room for it. Peers that no carrier has seen, as behind a broker, have
 * half as much room of their own, which their keys share: keys are free, so they take nothing from peers that were seen.
 */
export class AnswerRoom {
  readonly #seen: Admission<() => void>;
  readonly #unseen: Admission<() => void>;

  constructor({ most, mostOfHost }: AnswerLimits) {
    this.#seen = new Admission({ most, mostOfSite: mostOfHost });
    this.#unseen = new Admission({ most: Math.ceil(most / 2), mostOfSite: Math.min(MOST_OF_KEY, mostOfHost) });
  }

  /** Whether there is room for work for a peer, if necessary by evicting other work. */
  hasRoom(sender: Sender): boolean {
    const { room, site } = this.#placeFor(sender);
    return room.hasRoomFor(site);
  }

  /** Counts work while it is subscribed to. Work that is evicted is unsubscribed from, and `refused$` follows. */
  count$<T>(sender: Sender, work$: Observable<T>, refused$: Observable<T>): Observable<T> {
    const gaveWay = new DialError('There is no room for what this peer asks for');
    return work$.pipe(
      inRoom({ ...this.#placeFor(sender), refusal: () => gaveWay }),
      catchError((error: unknown) => {
        if (error === gaveWay) return refused$;
        throw error;
      }),
    );
  }

  #placeFor({ from, seenAt }: Sender) {
    return seenAt === undefined ? { room: this.#unseen, site: from } : { room: this.#seen, site: siteOf(seenAt) };
  }
}

/** Sends a refusal, unless too many were sent lately. Never emits, never fails. */
export function refuse$(signalling: Signalling, { mayRefuse }: Guests, to: PeerId, refusal: Signal): Observable<never> {
  return mayRefuse() ? signalling.send$(to, refusal).pipe(ignoreElements(), ignoreErrors()) : EMPTY;
}

/** What deciding needs. */
interface GuestsConfig {
  readonly config: Pick<ResolvedConfig, 'acceptPeer'>;
  readonly runtime: { readonly scheduler: Pick<Runtime['scheduler'], 'now'> };
  readonly peers: { get(peerId: PeerId): unknown } & Pick<Peers, 'hasInboundSlotFor'>;
}

/** The rate for one peer: all rounds of an attempt at once, and a few attempts a minute … */
const OF_PEER = { perSecond: 0.2, burst: 6 };

/** … and for all peers at one address: ten times as many. */
const OF_ADDRESS = { perSecond: 2, burst: 60 };

/** … and for all peers that no carrier has seen. */
const OF_UNSEEN = { perSecond: 8, burst: 240 };

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
  const mayAsk = siteBuckets({ maxSites: MAX_ASKING, now, ...OF_PEER });
  const mayAskFrom = siteBuckets({ maxSites: MAX_ASKING, now, ...OF_ADDRESS });
  const mayUnseenAsk = tokenBucket({ now, ...OF_UNSEEN });
  // Of those who share a limit, one that has used up its own takes nothing from the others.
  const isInTime = ({ from, seenAt }: Sender) =>
    seenAt === undefined ? mayAsk(from) && mayUnseenAsk() : mayAskFrom(siteOf(seenAt)) && mayAsk(from);
  return {
    admits: (sender) =>
      isInTime(sender) &&
      // A connected peer asks for another link of its connection.
      (peers.get(sender.from) !== undefined ||
        (peers.hasInboundSlotFor(sender.seenAt) && isWelcome(config, sender.from))),
    mayRefuse: tokenBucket({ now, ...NOES }),
  };
}

function isWelcome({ acceptPeer }: Pick<ResolvedConfig, 'acceptPeer'>, peerId: PeerId): boolean {
  try {
    return acceptPeer(peerId);
  } catch {
    return false;
  }
}
