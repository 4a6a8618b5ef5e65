import { catchError, first, ignoreElements, map, merge, of, switchMap, take, type Observable } from 'rxjs';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { within } from '../../operators/within.js';
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
      return comeToAny$(signalling, context, signal, ask, places);
    }),
    take(1),
    ignoreErrors(),
  );
}

/** Joins the first relay, and the next one if that refuses. */
function comeToAny$(
  signalling: Signalling,
  context: RelayContext,
  signal: ReceivedSignal,
  ask: RelayAsk,
  [place, ...others]: readonly Place[],
): Observable<unknown> {
  const { from } = signal;
  const { attempt, token } = ask;
  // Without details, which strangers must not learn.
  if (place === undefined)
    return refuse$(signalling, context, from, refusalSignal(ask, 'none of your relays lets it in'));
  const { named, known } = place;
  const told$ = signalling.send$(from, replySignal({ attempt, token, relay: named.url })).pipe(ignoreErrors());
  const met$ = context.join$(known.url, from, token).pipe(
    map((socket) =>
      context.secure$(socket, 'server', from).pipe(
        switchMap((link) => context.receive$(link)),
        within(COME_MS, 'The peer did not come to the relay', context.scheduler),
      ),
    ),
    catchError(() => of(comeToAny$(signalling, context, signal, ask, others))),
    switchMap((next$) => next$),
  );
  return merge(met$, told$.pipe(ignoreElements()));
}

function refusalSignal({ attempt, token }: RelayAsk, refusal: string): Signal {
  return replySignal({ attempt, token, refusal });
}
