import { defer, EMPTY, finalize, ignoreElements, type Observable } from 'rxjs';
import { siteOf } from '../bounds/site.js';
import { SiteCounts } from '../bounds/site-counts.js';
import type { PeerId } from '../identity.js';
import { untroubled } from '../operators/untroubled.js';
import type { Signal, Signalling } from '../signalling/signalling.js';

/** What a peer says that has too much to do. */
export const NOT_NOW = 'not now';

/** Judges peers that ask this node to do something for them. */
export interface Welcoming {
  /** Whether a peer that asks is answered, and does not ask too often; `seenAt` is where it is seen. */
  readonly welcomes: (peerId: PeerId, seenAt: string | undefined) => boolean;
  /** Whether somebody may be told no: it costs a signal, and keys are free. */
  readonly mayRefuse: () => boolean;
}

/** How much others may have a node do at once. */
export interface AnsweringLimits {
  /** In all. */
  readonly most: number;
  /** For peers at one address. */
  readonly mostOfHost: number;
}

/** Counts what a node does for others at the moment. */
export class Answering {
  readonly #limits: AnsweringLimits;
  readonly #counts = new SiteCounts();

  constructor(limits: AnsweringLimits) {
    this.#limits = limits;
  }

  /** Whether there is room for one more that is asked for by a peer seen at an address. */
  hasRoom(seenAt: string | undefined): boolean {
    const { most, mostOfHost } = this.#limits;
    return this.#counts.total < most && this.#counts.of(hostOf(seenAt)) < mostOfHost;
  }

  /** Counts something for as long as it is subscribed to. */
  count$<T>(seenAt: string | undefined, work$: Observable<T>): Observable<T> {
    const host = hostOf(seenAt);
    return defer(() => {
      this.#counts.add(host);
      return work$;
    }).pipe(
      finalize(() => {
        this.#counts.remove(host);
      }),
    );
  }
}

/** Says no, unless that has been said too often lately. Never emits, never fails. */
export function refuse$(
  signalling: Signalling,
  { mayRefuse }: Welcoming,
  to: PeerId,
  refusal: Signal,
): Observable<never> {
  return mayRefuse() ? signalling.send$(to, refusal).pipe(ignoreElements(), untroubled()) : EMPTY;
}

/** Those who are seen nowhere count as one. */
function hostOf(seenAt: string | undefined): string {
  return siteOf(seenAt);
}
