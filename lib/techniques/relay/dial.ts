import {
  AsyncSubject,
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  first,
  forkJoin,
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
import { DialError, reasonOf, TimeoutError } from '../../errors.js';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import type { Unl, UnlV3 } from '../../unl/types.js';
import { NOT_NOW } from '../../peers/guests.js';
import { askSignal, MAX_ENDPOINTS, readReply, type RelayNames } from './messages.js';
import type { RelayContext } from './context.js';
import type { Relay } from './known-relays.js';
import type { Attempt, Dial } from '../technique.js';
import { COME_MS } from './answer.js';
import { bestFor, isNamedBy } from './known-relays.js';
import { NO_SIGNAL } from '../asks.js';

/**
 * After this time without an answer, in milliseconds, the request is sent by every carrier: a server may not know yet that the
 * peer has left.
 */
const ASK_AGAIN_MS = 2_000;

/** For a peer to answer that has been asked, on the slowest of paths, in milliseconds. */
const ANSWER_MS = 5_000;

/** A peer that has too much to do is asked again after this time, in milliseconds. */
const LATER_MS = 1_000;

/** How often a peer is asked in total. */
const MAX_ASKS = 6;

/**
 * How long a peer has to come to the relay that has said with its answer what it says there first, in milliseconds. There may be a link by then, to which
 * it has to say hello within `timing.handshakeMs`: that leaves as long for the next relay.
 */
const COME_SOON_MS = 5_000;

/** The peer has to be asked anew, since it has too much to do, or was too late. */
class AgainError extends DialError {
  constructor(
    message: string,
    readonly afterMs: number,
  ) {
    super(message);
  }
}

/** Meeting failed at one relay; another may work. */
class RelayError extends DialError {
  constructor(
    readonly relay: Relay,
    cause: unknown,
  ) {
    super(reasonOf(cause), { cause });
  }
}

/**
 * Meets the peer at a relay, a server that both know and that forwards what either sends. TLS runs between the two nodes, so the
 * relay sees only ciphertext. Works whenever both can reach a common server.
 *
 * This node does not wait for an answer: it asks, and goes at once to the relay where the peer is most likely to come. The peer
 * goes to the first named relay that it knows itself, and says which. If that is another one, this node moves there. The node
 * that asked is the TLS client, as whoever dials is, so that its first line leaves as soon as the peer has proven its key: often with the answer, while
 * the peer is on its way to the relay.
 */
export function dialByRelay(context: RelayContext | undefined): Dial {
  return (attempt$) =>
    attempt$.pipe(
      switchMap((attempt) => {
        const { peer, own } = attempt;
        if (peer.version !== 3) throw new DialError('The UNL has no key to send a signal to');
        if (context === undefined) throw new DialError(whyNotRelaying(own));
        return context.known$.pipe(
          first(({ relays, isWhole }) => isWhole || relays.some((known) => isNamedBy(peer, known))),
          switchMap(({ relays }) => meetAtAny$(attempt, context, peer, bestFor(peer, relays))),
        );
      }),
    );
}

/** Why this node cannot use relays. */
function whyNotRelaying({ version }: Unl): string {
  return version === 3
    ? 'This node uses no relays: it was made with `relay: false`'
    : "This node has no key to sign a signal with, since its net is plain: make it with `security: 'tls'`";
}

/** Asks the peer to meet, and asks again: without the relay at which it failed, and later if the peer was busy. */
function meetAtAny$(
  attempt: Attempt,
  context: RelayContext,
  { peerId }: UnlV3,
  relays: readonly Relay[],
): Observable<Link> {
  // Where the peer was missed of late, the relay may still look good: it is tried last.
  let left = relays.toSorted(
    (a, b) => Number(context.hasMissed(peerId, a.url)) - Number(context.hasMissed(peerId, b.url)),
  );
  return defer(() => {
    const [best] = left;
    if (best === undefined)
      throw new DialError(
        'This node knows no relay: name a rendezvous server or a mailbox that has one, or relays by `relay`',
      );
    return meet$(attempt, context, peerId, best, left);
  }).pipe(
    retry({
      delay: (error: unknown, count) => {
        if (count >= MAX_ASKS) throw error;
        if (error instanceof AgainError) return timer(error.afterMs, attempt.scheduler);
        if (!(error instanceof RelayError)) throw error;
        context.misses(peerId, error.relay.url);
        if (left.length === 1) throw error;
        left = left.filter((known) => known !== error.relay);
        return of(undefined);
      },
    }),
  );
}

/**
 * Asks the peer once, goes to the best relay, and moves to the one that the peer says. The question has the beginning of the TLS handshake, and the
 * answer has what the peer says to that.
 */
function meet$(
  { id, signalling, timing, scheduler }: Attempt,
  context: RelayContext,
  peerId: PeerId,
  best: Relay,
  relays: readonly Relay[],
): Observable<Link> {
  return defer(() => {
    const token = context.newToken();
    return context.meet$('client', peerId, (meeting) => {
      let at = best;
      let isAgreed = false;
      let isIn = false;
      let missed: AgainError | undefined;
      let comeMs = COME_MS;
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
          if (answered === undefined) return EMPTY;
          if (reply.first !== undefined) {
            meeting.hear(reply.first);
            comeMs = COME_SOON_MS;
          }
          return of(answered);
        }),
        distinctUntilChanged(),
        tap(() => {
          isAgreed = true;
        }),
        share(),
      );
      const missedAt = (error: unknown): never => {
        throw new RelayError(at, error);
      };
      const elsewhere$ = answer$.pipe(filter((answered) => answered !== best));
      const goTo$ = (known: Relay) =>
        context.join$(known.url, peerId, token).pipe(
          tap(() => {
            isIn = true;
            at = known;
          }),
          switchMap((socket) => meeting.over$(socket)),
          catchError((error: unknown) => {
            throw new RelayError(known, error);
          }),
        );
      const toBest$ = goTo$(best).pipe(
        catchError((error: unknown) => {
          if (isAgreed) throw error;
          // A relay accepts a token once. If the peer comes too late, it is asked again with a new token.
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
        switchMap((answered) => timer(comeMs, scheduler).pipe(map(() => answered))),
        map((answered) => {
          throw new RelayError(
            answered,
            new TimeoutError(`The peer did not come to the relay ${answered.url.origin} within ${comeMs} ms`),
          );
        }),
      );
      const unanswered$ = timer(ANSWER_MS - ASK_AGAIN_MS, scheduler).pipe(
        map(() => {
          throw new TimeoutError(`The peer did not answer within ${ANSWER_MS} ms`);
        }),
      );
      const asked$ = meeting.first$.pipe(
        switchMap((first) => {
          const ask = askSignal({ attempt: id, token, relays: relays.map(namesOf), first });
          const kept = { keepMs: timing.techniqueMs };
          return signalling.send$(peerId, ask, kept).pipe(
            switchMap((delivery) => {
              if (delivery === 'absent') throw new DialError(NO_SIGNAL);
              return delivery === 'kept' ? EMPTY : timer(ASK_AGAIN_MS, scheduler);
            }),
            switchMap(() => {
              const everywhere$ = signalling.send$(peerId, ask, { ...kept, isEverywhere: true });
              // A peer that fetches the request later may take as long as it is kept.
              return merge(everywhere$.pipe(filter((delivery) => delivery === 'kept')), unanswered$).pipe(take(1));
            }),
          );
        }),
        ignoreElements(),
        takeUntil(reply$),
      );
      // Goes on when there is a link, until the peer is there: it may still say that it has gone elsewhere.
      const met$ = meeting.met$.pipe(catchError(missedAt));
      const going$ = merge(elsewhere$.pipe(switchMap(goTo$)), toBest$, asked$, NEVER).pipe(takeUntil(met$));
      const linked = new AsyncSubject<Link>();
      const link$ = meeting.link$.pipe(
        tap((link) => {
          linked.next(link);
          linked.complete();
        }),
        catchError(missedAt),
      );
      // Anybody can send a byte by which the peer seems to be there; the link shows that it is.
      const inTime$ = late$.pipe(takeUntil(forkJoin([linked, met$])));
      return merge(going$, inTime$, link$);
    });
  });
}

/** What the peer needs in order to recognise a relay. */
function namesOf({ url, at, id }: Relay): RelayNames {
  return { url: url.href, at: at.slice(0, MAX_ENDPOINTS), id };
}
