import {
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  first,
  ignoreElements,
  map,
  merge,
  mergeMap,
  NEVER,
  of,
  retry,
  share,
  switchMap,
  take,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { formatServer, serverOf } from '../endpoint.js';
import { DialError, reasonOf, TimeoutError } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { Link } from '../link/link.js';
import { untroubled } from '../operators/untroubled.js';
import { within } from '../operators/within.js';
import { Seen } from '../bounds/seen.js';
import type { ReceivedSignal, Signal, Signalling } from '../signalling/signalling.js';
import type { Unl, UnlV3 } from '../unl/types.js';
import { Answering, NOT_NOW, refuse$ } from './answering.js';
import { asks$ } from './asks.js';
import {
  askSignal,
  MAX_ENDPOINTS,
  MAX_RELAYS,
  MAX_URL_LENGTH,
  readAsk,
  readReply,
  replySignal,
  type RelayAsk,
  type RelayNames,
} from './relay-signals.js';
import type { KnownRelays, Relay, Relaying } from './relaying.js';
import type { Attempt, Technique } from './technique.js';

/** A server may believe a peer to be there that has just left: without an answer it is asked by every channel, in milliseconds. */
const ASK_AGAIN_MS = 2_000;

/** For a peer to answer that has been asked, on the slowest of paths, in milliseconds. */
const ANSWER_MS = 5_000;

/** For both to come to the relay on which they have agreed, and to prove their keys there, in milliseconds. */
const COME_MS = 10_000;

/** A peer that has too much to do is asked again after this time, in milliseconds. */
const LATER_MS = 1_000;

/** So often a peer is asked in all. */
const MAX_ASKS = 6;

/** Meetings that others ask for, at once, each a socket to a relay of this node's own: of those at one address, an office's. */
const ANSWERED = { most: 64, mostOfHost: 16 };

/** Asks that have been answered: they may come by another channel, too, and as late as they are kept. */
const REMEMBERED = { forMs: 120_000, maxEntries: 1_000 };

/** The peer has to be asked anew, since it has too much to do, or was too late. */
class AgainError extends DialError {
  constructor(
    message: string,
    readonly afterMs: number,
  ) {
    super(message);
  }
}

/** It did not work at one relay; another may do. */
class RelayError extends DialError {
  constructor(
    readonly relay: Relay,
    cause: unknown,
  ) {
    super(reasonOf(cause), { cause });
  }
}

/**
 * Meets the peer at a relay, a server that both know, which passes on what either sends: TLS runs between the two, so that the
 * relay sees ciphertext. Works wherever both can reach one server in common.
 *
 * This node does not wait for an answer: it asks, and goes at once to the relay where the peer is most likely to come. The peer
 * goes to the first of those named that it knows itself, and says to which; if that is another, this node moves there. The node
 * that asked is the TLS client, as whoever dials is, so that its first line leaves as soon as the peer has proven its key.
 */
export const relay: Technique = {
  name: 'relay',
  dial: (attempt$) =>
    attempt$.pipe(
      switchMap((attempt) => {
        const { peer, own, relaying } = attempt;
        if (peer.version !== 3) throw new DialError('The UNL has no key to send a signal to');
        if (relaying === undefined) throw new DialError(whyNotRelaying(own));
        return relaying.known$.pipe(
          first(({ relays, isWhole }) => isWhole || relays.some((known) => isNamedBy(peer, known))),
          switchMap(({ relays }) => meetAtAny$(attempt, relaying, peer, bestFor(peer, relays))),
        );
      }),
    ),
};

/** Why a node gives nothing to meetings at relays. */
function whyNotRelaying({ version }: Unl): string {
  return version === 3
    ? 'This node uses no relays: it was made with `relay: false`'
    : "This node has no key to sign a signal with, since its net is plain: make it with `security: 'tls'`";
}

/** The relays to name, best first: those that the peer's locator names before others, and of either the nearest before others. */
export function bestFor(peer: UnlV3, relays: readonly Relay[]): readonly Relay[] {
  const distance = ({ roundTripMs }: Relay) => roundTripMs ?? Infinity;
  return relays
    .filter(({ url }) => url.href.length <= MAX_URL_LENGTH)
    .map((known) => ({ known, isNamed: isNamedBy(peer, known) }))
    .toSorted((a, b) => {
      if (a.isNamed !== b.isNamed) return a.isNamed ? -1 : 1;
      return distance(a.known) === distance(b.known) ? 0 : distance(a.known) - distance(b.known);
    })
    .slice(0, MAX_RELAYS)
    .map(({ known }) => known);
}

/** Whether a locator names the server of a relay, so that the peer knows it, too. */
function isNamedBy({ rendezvous, mailboxes, dht }: UnlV3, { url, at, meetings }: Relay): boolean {
  const named = new Set([
    ...[...rendezvous, ...dht].map((server) => formatServer(server).toLowerCase()),
    ...mailboxes.filter((text) => URL.canParse(text)).map((text) => formatServer(serverOf(new URL(text)))),
  ]);
  return [formatServer(serverOf(url)), ...at, ...meetings].some((name) => named.has(name.toLowerCase()));
}

/** Asks the peer to a relay, and again as long as that is of use: without a relay where it did not work, and a busy peer later. */
function meetAtAny$(
  attempt: Attempt,
  relaying: Relaying,
  { peerId }: UnlV3,
  relays: readonly Relay[],
): Observable<Link> {
  let left = relays;
  return defer(() => {
    const [best] = left;
    if (best === undefined)
      throw new DialError(
        'This node knows no relay: name a rendezvous server or a mailbox that has one, or relays by `relay`',
      );
    return meet$(attempt, relaying, peerId, best, left);
  }).pipe(
    retry({
      delay: (error: unknown, count) => {
        if (count >= MAX_ASKS) throw error;
        if (error instanceof AgainError) return timer(error.afterMs, attempt.scheduler);
        if (!(error instanceof RelayError) || left.length === 1) throw error;
        left = left.filter((known) => known !== error.relay);
        return of(undefined);
      },
    }),
  );
}

/** Asks the peer once, goes to the best relay, and moves to the one that the peer says. */
function meet$(
  { id, signalling, timing, scheduler }: Attempt,
  relaying: Relaying,
  peerId: PeerId,
  best: Relay,
  relays: readonly Relay[],
): Observable<Link> {
  return defer(() => {
    const token = relaying.newToken();
    let isAgreed = false;
    let isIn = false;
    let missed: AgainError | undefined;
    const reply$ = signalling.signal$.pipe(
      mergeMap((signal) => {
        const reply = signal.from === peerId ? readReply(signal) : undefined;
        return reply?.attempt === id && reply.token === token ? of(reply) : EMPTY;
      }),
      share(),
    );
    const answer$ = reply$.pipe(
      mergeMap((reply) => {
        if (missed !== undefined) throw missed;
        if ('refusal' in reply) {
          const words = `The peer does not come to a relay: ${reply.refusal}`;
          throw reply.refusal === NOT_NOW ? new AgainError(words, LATER_MS) : new DialError(words);
        }
        const answered = relays.find(({ url }) => url.href === reply.relay);
        return answered === undefined ? EMPTY : of(answered);
      }),
      distinctUntilChanged(),
      tap(() => {
        isAgreed = true;
      }),
      share(),
    );
    const elsewhere$ = answer$.pipe(filter((answered) => answered !== best));
    const linkAt$ = (known: Relay) =>
      relaying.join$(known.url, peerId, token).pipe(
        tap(() => {
          isIn = true;
        }),
        switchMap((socket) => relaying.secure$(socket, 'client', peerId)),
        catchError((error: unknown) => {
          throw new RelayError(known, error);
        }),
      );
    const atBest$ = linkAt$(best).pipe(
      catchError((error: unknown) => {
        if (isAgreed) throw error;
        // A relay lets nobody in with the same token twice: should the peer come after all, it is asked anew.
        if (isIn) missed = new AgainError(`The peer was too late: ${reasonOf(error)}`, 0);
        return answer$.pipe(
          map(() => {
            throw error;
          }),
        );
      }),
      takeUntil(elsewhere$),
    );
    const late$ = answer$.pipe(
      switchMap((answered) => timer(COME_MS, scheduler).pipe(map(() => answered))),
      map((answered) => {
        throw new RelayError(
          answered,
          new TimeoutError(`The peer did not come to the relay ${answered.url.origin} within ${COME_MS} ms`),
        );
      }),
    );
    const ask = askSignal({ attempt: id, token, relays: relays.map(namesOf) });
    const unanswered$ = timer(ANSWER_MS - ASK_AGAIN_MS, scheduler).pipe(
      map(() => {
        throw new TimeoutError(`The peer did not answer within ${ANSWER_MS} ms`);
      }),
    );
    const asked$ = signalling.send$(peerId, ask, { keepMs: timing.techniqueMs }).pipe(
      switchMap((delivery) => {
        if (delivery === 'absent')
          throw new DialError(
            'None of our signals get to the peer: it is at no rendezvous server of ours, and nobody keeps them',
          );
        return delivery === 'kept' ? EMPTY : timer(ASK_AGAIN_MS, scheduler);
      }),
      switchMap(() => {
        const everywhere$ = signalling.send$(peerId, ask, { keepMs: timing.techniqueMs, isEverywhere: true });
        // Whoever comes back for it may take as long as it is kept.
        return merge(everywhere$.pipe(filter((delivery) => delivery === 'kept')), unanswered$).pipe(take(1));
      }),
      ignoreElements(),
      takeUntil(reply$),
    );
    return merge(elsewhere$.pipe(switchMap(linkAt$)), late$, atBest$, asked$, NEVER);
  }).pipe(take(1));
}

/** What a peer is told of a relay, for it to see whether it knows the same. */
function namesOf({ url, at, id }: Relay): RelayNames {
  return { url: url.href, at: at.slice(0, MAX_ENDPOINTS), id };
}

/** A relay that a peer named, and by which this node knows it. */
interface Place {
  readonly named: RelayNames;
  readonly known: Relay;
}

/**
 * The relays of an ask that this node knows, in the order of the ask, each by its own URL: nobody can have it go anywhere else.
 * Where servers have told who they are, that decides; else that both know one by the same host and port, or are connected to it
 * at the same address and port.
 */
export function placesFor(ask: readonly RelayNames[], relays: readonly Relay[]): readonly Place[] {
  return ask.flatMap((named) => {
    const names = new Set([formatServer(serverOf(new URL(named.url))), ...named.at]);
    const isAlike = ({ url, at }: Relay) => [formatServer(serverOf(url)), ...at].some((name) => names.has(name));
    const isSame = (known: Relay) =>
      known.id === undefined || named.id === undefined ? isAlike(known) : known.id === named.id;
    const same = relays.filter(isSame);
    // A server can say that it is another.
    const known = same.find(isAlike) ?? same[0];
    return known === undefined ? [] : { named, known };
  });
}

/**
 * Meets peers that ask for it at relays, many at once and each once at a time: only at relays that this node knows itself, so
 * that nobody can turn it on a third party. Never emits, never fails.
 */
export function answerRelays$(signalling: Signalling, relaying: Relaying): Observable<never> {
  return defer(() => {
    const answering = new Answering(ANSWERED);
    const seen = new Seen({ ...REMEMBERED, now: () => relaying.scheduler.now() });
    const ask$ = asks$(signalling, readAsk, () => relaying.scheduler.now()).pipe(
      filter(({ signal, ask }) => !seen.has(`${signal.from} ${ask.token}`)),
      share(),
    );
    return ask$.pipe(
      mergeMap(({ signal, ask, takenBack$ }) => {
        const { from, seenAt } = signal;
        const refused$ = defer(() => refuse$(signalling, relaying, from, refusalSignal(ask, NOT_NOW)));
        if (!answering.hasRoom(seenAt) || !relaying.welcomes(from, seenAt)) return refused$;
        seen.add(`${from} ${ask.token}`);
        const askedAnew$ = ask$.pipe(filter((other) => other.signal.from === from));
        return answering.count$(
          seenAt,
          // Not when another technique has connected them meanwhile: lines may be on their way here already.
          answer$(signalling, relaying, signal, ask).pipe(takeUntil(merge(askedAnew$, takenBack$))),
          refused$,
        );
      }),
      ignoreElements(),
    );
  });
}

/** Answers one ask. Never fails. */
function answer$(
  signalling: Signalling,
  relaying: Relaying,
  signal: ReceivedSignal,
  ask: RelayAsk,
): Observable<unknown> {
  const knownIn = ({ relays }: KnownRelays) => placesFor(ask.relays, relays);
  return relaying.known$.pipe(
    first((known) => known.isWhole || knownIn(known).length > 0),
    switchMap((known) => {
      const places = knownIn(known);
      if (places.length === 0)
        return refuse$(signalling, relaying, signal.from, refusalSignal(ask, 'it knows none of your relays'));
      return comeToAny$(signalling, relaying, signal, ask, places);
    }),
    take(1),
    untroubled(),
  );
}

/** Goes to the first of the places, and to the next where it is not let in. */
function comeToAny$(
  signalling: Signalling,
  relaying: Relaying,
  signal: ReceivedSignal,
  ask: RelayAsk,
  [place, ...others]: readonly Place[],
): Observable<unknown> {
  const { from } = signal;
  const { attempt, token } = ask;
  // No details: they would tell strangers what there is.
  if (place === undefined)
    return refuse$(signalling, relaying, from, refusalSignal(ask, 'none of your relays lets it in'));
  const { named, known } = place;
  const told$ = signalling.send$(from, replySignal({ attempt, token, relay: named.url })).pipe(untroubled());
  const met$ = relaying.join$(known.url, from, token).pipe(
    map((socket) =>
      relaying.secure$(socket, 'server', from).pipe(
        switchMap((link) => relaying.receive$(link)),
        within(COME_MS, 'The peer did not come to the relay', relaying.scheduler),
      ),
    ),
    catchError(() => of(comeToAny$(signalling, relaying, signal, ask, others))),
    switchMap((next$) => next$),
  );
  return merge(met$, told$.pipe(ignoreElements()));
}

function refusalSignal({ attempt, token }: RelayAsk, refusal: string): Signal {
  return replySignal({ attempt, token, refusal });
}
