import { Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { FairQueue } from '../bounds/fair-queue.js';
import { tokenBucket } from '../bounds/rate-limit.js';
import { siteOf } from '../bounds/site.js';
import type { PeerId } from '../identity.js';
import type { CarrierName, Parcel } from './carrier.js';

/**
 * Parcels that are opened, from all senders. Keys are free, and to open a parcel takes half a millisecond (an X25519 and an Ed25519
 * operation): a flood costs a twentieth of a core.
 */
const OPENED = { perSecond: 100, burst: 400 };

/** Parcels that wait to be opened, of peers that this node knows and of others: each as long as a carrier's longest message. */
const MAX_WAITING = 256;

/** How many peers are remembered that this node has sent signals to. */
const MAX_WRITTEN_TO = 1_000;

/** How many peers are remembered that this node has taken signals from. */
const MAX_HEARD = 1_000;

/** A parcel, and the carrier that brought it. */
export interface CarriedParcel {
  readonly parcel: Parcel;
  readonly by: CarrierName;
}

/**
 * The peers that this node knows: those that it has sent signals to, and those of which it has taken some. One valid signal makes
 * a stranger known, so the share of known peers is divided by sites, too.
 */
export class KnownPeers {
  readonly #writtenTo = new Set<PeerId>();
  readonly #heard = new Admission<PeerId>({ most: MAX_HEARD });
  readonly #sites = new Map<PeerId, string>();

  /** This node has sent a signal to a peer. */
  writtenTo(peerId: PeerId): void {
    this.#writtenTo.delete(peerId);
    this.#writtenTo.add(peerId);
    const [oldest] = this.#writtenTo;
    if (this.#writtenTo.size > MAX_WRITTEN_TO && oldest !== undefined) this.#writtenTo.delete(oldest);
  }

  /** A signal of a peer was taken. */
  heard(peerId: PeerId, site: string): void {
    if (this.#sites.has(peerId)) return;
    const { isIn, gaveWay } = this.#heard.admit(site, peerId);
    if (gaveWay !== undefined) this.#sites.delete(gaveWay);
    if (isIn) this.#sites.set(peerId, site);
  }

  has(peerId: PeerId): boolean {
    return this.#writtenTo.has(peerId) || this.#sites.has(peerId);
  }
}

/** What a parcel is counted by: where its sender was seen, or what has brought it. */
export function siteOfParcel({ seenAt, via }: Parcel): string {
  return seenAt === undefined && via !== undefined ? via : siteOf(seenAt);
}

/** What opening by turns needs. */
interface OpeningConfig {
  readonly scheduler: SchedulerLike;
  readonly known: KnownPeers;
  /** Called with a parcel that was evicted unopened. It must not be acknowledged. */
  readonly onGiveWay: (brought: CarriedParcel) => void;
}

/**
 * Makes an operator that lets parcels through to be opened: at once while few come, by turns and at a bounded rate when many do. Half of
 * the rate is for senders that this node knows, and half for others, where both have some that wait. Within each half, sites have turns
 * (as the carrier saw the sender), and within a site senders (as the carrier has proven them).
 *
 * @example
 * merge(...parcels).pipe(openingByTurns({ scheduler, known, onGiveWay }), mergeMap(open$));
 */
export function openingByTurns({ scheduler, known, onGiveWay }: OpeningConfig) {
  const mayOpen = tokenBucket({ now: () => scheduler.now(), ...OPENED });
  return (source$: Observable<CarriedParcel>): Observable<CarriedParcel> =>
    new Observable((subscriber) => {
      const [ofKnown, ofOthers] = [
        new FairQueue<CarriedParcel>(MAX_WAITING),
        new FairQueue<CarriedParcel>(MAX_WAITING),
      ];
      let timer: Subscription | undefined;
      let turn: FairQueue<CarriedParcel> = ofKnown;
      let isOver = false;

      const serve = () => {
        timer = undefined;
        while (ofKnown.size + ofOthers.size > 0 && !subscriber.closed) {
          if (!mayOpen()) {
            timer = scheduler.schedule(serve, 1000 / OPENED.perSecond);
            subscriber.add(timer);
            return;
          }
          const other = turn === ofKnown ? ofOthers : ofKnown;
          const next = turn.next() ?? other.next();
          turn = other;
          if (next !== undefined) subscriber.next(next);
        }
        if (isOver) subscriber.complete();
      };

      subscriber.add(
        source$.subscribe({
          next: (brought) => {
            const { from } = brought.parcel;
            const queue = from !== undefined && known.has(from) ? ofKnown : ofOthers;
            const gaveWay = queue.add(siteOfParcel(brought.parcel), from ?? '', brought);
            if (gaveWay !== undefined) onGiveWay(gaveWay);
            if (timer === undefined) serve();
          },
          complete: () => {
            isOver = true;
            if (timer === undefined) serve();
          },
          error: (error: unknown) => {
            subscriber.error(error);
          },
        }),
      );
    });
}
