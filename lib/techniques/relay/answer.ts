import {
  catchError,
  concat,
  defer,
  first,
  ignoreElements,
  map,
  merge,
  of,
  Subject,
  switchMap,
  take,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { DialError, TimeoutError } from '../../errors.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import type { ReceivedSignal, Signal, Signalling } from '../../signalling/signalling.js';
import { refuse$ } from '../../peers/guests.js';
import { answerMeetings$ } from '../meetings.js';
import { readAsk, replySignal, type RelayAsk, type RelayNames } from './messages.js';
import type { RelayContext } from './context.js';
import type { KnownRelays, Relay } from './known-relays.js';
import { formatServer, serverOf } from '../../endpoint.js';

/** How long both nodes have to come to the agreed relay and prove their keys there, in milliseconds. */
export const COME_MS = 10_000;

/** Relay meetings joined for others at the same time: 64, of which 16 for one address (an office). Each is a socket to a relay. */
const ANSWERED = { most: 64, mostOfHost: 16 };

/** A relay that a peer named, and the same relay as this node knows it. */
interface Place {
  readonly named: RelayNames;
  readonly known: Relay;
}

/**
 * The named relays that this node knows, in the order of the request, each by this node's own URL, so that a peer cannot send it
 * anywhere else. Two names are of the same relay if the servers' ids are equal; if an id is unknown, if the host and port are
 * equal, or the address and port of the connections.
 */
export function placesFor(ask: readonly RelayNames[], relays: readonly Relay[]): readonly Place[] {
  return ask.flatMap((named) => {
    const names = new Set([formatServer(serverOf(new URL(named.url))), ...named.at]);
    const isAlike = ({ url, at }: Relay) => [formatServer(serverOf(url)), ...at].some((name) => names.has(name));
    const isSame = (known: Relay) =>
      known.id === undefined || named.id === undefined ? isAlike(known) : known.id === named.id;
    const same = relays.filter(isSame);
    // A server may claim the id of another, so an equal name is preferred.
    const known = same.find(isAlike) ?? same[0];
    return known === undefined ? [] : { named, known };
  });
}

/**
 * Answers requests to meet at a relay: many peers at once, each peer once at a time. Goes only to relays that this node knows
 * itself, so that nobody can make it connect to a third party. Never emits, never fails.
 */
export function answerRelays$(signalling: Signalling, context: RelayContext): Observable<never> {
  return answerMeetings$(signalling, context, {
    limits: ANSWERED,
    read: readAsk,
    nameOf: ({ token }) => token,
    refusal: refusalSignal,
    answer$: (signal, ask) => answer$(signalling, context, signal, ask),
  });
}

/** Answers one ask. Never fails. */
function answer$(
  signalling: Signalling,
  context: RelayContext,
  signal: ReceivedSignal,
  ask: RelayAsk,
): Observable<unknown> {
  const knownIn = ({ relays }: KnownRelays) => placesFor(ask.relays, relays);
  return context.known$.pipe(
    first((known) => known.isWhole || knownIn(known).length > 0),
    switchMap((known) => {
      const places = knownIn(known);
      if (places.length === 0)
        return refuse$(signalling, context, signal.from, refusalSignal(ask, 'it knows none of your relays'));
      return come$(signalling, context, signal, ask, places);
    }),
    take(1),
    ignoreErrors(),
  );
}

/** Comes to one of the places, and takes the link that is made there. */
function come$(
  signalling: Signalling,
  context: RelayContext,
  { from }: ReceivedSignal,
  ask: RelayAsk,
  places: readonly Place[],
): Observable<unknown> {
  const { scheduler } = context;
  return defer(() => {
    const joined = new Subject<void>();
    const late$ = joined.pipe(
      switchMap(() => timer(COME_MS, scheduler)),
      map(() => {
        throw new TimeoutError(`The peer did not come to the relay within ${COME_MS} ms`);
      }),
    );
    const received$ = context
      .meet$('server', from, (meeting) => {
        // The answer has what this node says first, where what the peer has said first is enough for that.
        if (ask.first !== undefined) meeting.hear(ask.first);
        const first$ =
          ask.first === undefined
            ? of(undefined)
            : merge(meeting.first$, joined.pipe(map(() => undefined))).pipe(take(1));
        const tell$ = ({ named }: Place) =>
          first$.pipe(
            switchMap((said) => signalling.send$(from, replySignal({ ...nameOf(ask), relay: named.url, first: said }))),
            ignoreElements(),
            ignoreErrors(),
          );
        const goTo$ = ([place, ...others]: readonly Place[]): Observable<never> => {
          if (place === undefined) {
            // Without details, which strangers must not learn.
            const refusal = refusalSignal(ask, 'none of your relays lets it in');
            return concat(
              refuse$(signalling, context, from, refusal),
              throwError(() => new DialError('No relay lets this node in')),
            );
          }
          const gone$ = context.join$(place.known.url, from, ask.token).pipe(
            tap(() => {
              joined.next();
            }),
            map((socket) => meeting.over$(socket)),
            catchError(() => of(goTo$(others))),
            switchMap((next$) => next$),
          );
          return merge(gone$, tell$(place));
        };
        return merge(goTo$(places), meeting.link$);
      })
      .pipe(switchMap((link) => context.receive$(link)));
    return merge(late$, received$).pipe(take(1));
  });
}

/** What names the meeting. */
function nameOf({ attempt, token }: RelayAsk): Pick<RelayAsk, 'attempt' | 'token'> {
  return { attempt, token };
}

function refusalSignal(ask: RelayAsk, refusal: string): Signal {
  return replySignal({ ...nameOf(ask), refusal });
}
