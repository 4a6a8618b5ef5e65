import { catchError, EMPTY, ignoreElements, type Observable } from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { inRoom } from '../bounds/in-room.js';
import { siteOf } from '../bounds/site.js';
import { DialError } from '../errors.js';
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

/** Counts what a node does for others at the moment. Peers at different sites share the room for it. */
export class Answering {
  readonly #room: Admission<() => void>;

  constructor({ most, mostOfHost }: AnsweringLimits) {
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
export function refuse$(
  signalling: Signalling,
  { mayRefuse }: Welcoming,
  to: PeerId,
  refusal: Signal,
): Observable<never> {
  return mayRefuse() ? signalling.send$(to, refusal).pipe(ignoreElements(), untroubled()) : EMPTY;
}
