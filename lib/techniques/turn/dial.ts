import type { Duplex } from 'node:stream';
import {
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  share,
  shareReplay,
  switchMap,
  take,
  takeUntil,
  timer,
} from 'rxjs';
import { DialError, TimeoutError } from '../../errors.js';
import type { Link } from '../../link/link.js';
import { firstToSucceed } from '../../operators/first-to-succeed.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { NO_SIGNAL } from '../asks.js';
import type { Attempt, Dial } from '../technique.js';
import type { UnlV3 } from '../../unl/types.js';
import { hasTurn } from '../../unl/turn.js';
import { canConnectTo, connectTo$ } from './connect.js';
import type { TurnContext } from './context.js';
import {
  addressesOf,
  admit$,
  allocateAtAny$,
  COME_MS,
  comeTo$,
  familyFor,
  linkAt$,
  mayComeTo,
  whileOpen$,
} from './meeting.js';
import { askSignal, readReply, type TurnMeeting } from './messages.js';

/**
 * Meets the peer at a TURN server (RFC 8656, by TCP: RFC 6062) that one of the two may use. If it is this node, its server listens
 * for the peer, lets in the peer's addresses, and the peer is told where to dial; a peer that can be dialled is dialled by the server
 * at the same time. Else the peer, whose locator says that it has one, is asked to have its server listen, and this node dials. TLS
 * runs between the two nodes, so the server sees only ciphertext; the node that asked is the TLS client.
 */
export function dialByTurn(context: TurnContext | undefined): Dial {
  return (attempt$) =>
    attempt$.pipe(
      switchMap((attempt) => {
        const { peer } = attempt;
        if (context === undefined) throw new DialError('This node uses no relays, or proves no key');
        if (peer.version !== 3) throw new DialError('The UNL has no key to send a signal to');
        if (context.servers.length > 0) return atOwnServer$(attempt, context, peer);
        if (!hasTurn(peer)) throw new DialError('Neither this node nor the peer has a TURN server');
        return atPeersServer$(attempt, context, peer);
      }),
    );
}

function atOwnServer$(attempt: Attempt, context: TurnContext, peer: UnlV3): Observable<Link> {
  const addresses = addressesOf(peer);
  return whileOpen$(
    allocateAtAny$(context, familyFor(addressesOf(attempt.own), addresses)).pipe(
      switchMap((allocation) => {
        const talk = talkTo(attempt, peer);
        const ask = { attempt: attempt.id, from: addressesOf(attempt.own), at: allocation.relayed };
        const link$ = linkAt$(allocation, context, 'client', peer.peerId).pipe(
          shareReplay({ bufferSize: 1, refCount: true }),
        );
        const untilLinked$ = talk.answer$.pipe(takeUntil(link$));
        const come$ = merge(
          link$,
          admit$(allocation, addresses).pipe(switchMap(() => talk.asked$(ask).pipe(takeUntil(link$)))),
          visit$(talk.answer$, context, peer),
          // The peer may be seen elsewhere by now.
          untilLinked$.pipe(
            switchMap(({ seenAt, from }) => admit$(allocation, seenAt === undefined ? from : [seenAt, ...from])),
            ignoreElements(),
          ),
        );
        if (!canConnectTo(peer)) return come$;
        return firstToSucceed([come$, connectTo$(allocation, attempt, context, peer)]);
      }),
    ),
  );
}

/**
 * Shows this node to a peer that no carrier shows it to: dials where the peer's own server listens, proves its key, and leaves. After that
 * the peer may punch, or dial back. Never emits, never fails.
 */
function visit$(answer$: Observable<TurnMeeting>, context: TurnContext, { peerId }: UnlV3): Observable<never> {
  return answer$.pipe(
    map(({ at }) => at),
    filter((at) => at !== undefined && mayComeTo(at, context)),
    take(1),
    switchMap((at) => (at === undefined ? EMPTY : comeTo$(at, context, 'client', peerId))),
    switchMap(({ stream }) => left$(stream)),
    ignoreErrors(),
    takeUntil(timer(2 * COME_MS, context.scheduler)),
  );
}

/** Ends a stream, so that the other side has all that was said, and closes it when that has ended it, too, or when unsubscribed from. */
function left$(stream: Duplex): Observable<never> {
  return new Observable((subscriber) => {
    stream.once('close', () => {
      subscriber.complete();
    });
    stream.resume().end();
    return () => {
      stream.destroy();
    };
  });
}

function atPeersServer$(attempt: Attempt, context: TurnContext, peer: UnlV3): Observable<Link> {
  return defer(() => {
    const talk = talkTo(attempt, peer);
    const link$ = talk.answer$.pipe(
      filter(({ at }) => at !== undefined),
      take(1),
      switchMap(({ at }) => {
        if (at === undefined || !mayComeTo(at, context))
          throw new DialError('The peer names an endpoint of its TURN server that this node does not dial');
        return comeTo$(at, context, 'client', peer.peerId);
      }),
    );
    return merge(link$, talk.asked$({ attempt: attempt.id, from: addressesOf(attempt.own), at: undefined })).pipe(
      take(1),
    );
  });
}

/** What is said to the peer about one attempt, and what it answers. */
function talkTo({ id, signalling, timing, scheduler }: Attempt, { peerId }: UnlV3) {
  const reply$ = signalling.signal$.pipe(
    mergeMap((signal) => {
      const reply = signal.from === peerId ? readReply(signal) : undefined;
      return reply?.attempt === id ? [{ reply, seenAt: signal.seenAt }] : EMPTY;
    }),
    map(({ reply, seenAt }) => {
      if ('refusal' in reply) throw new DialError(`The peer does not come to a TURN server: ${reply.refusal}`);
      return { ...reply, seenAt };
    }),
    share(),
  );
  const late$ = timer(COME_MS, scheduler).pipe(
    map(() => {
      throw new TimeoutError(`The peer did not meet this node at the TURN server within ${COME_MS} ms`);
    }),
  );
  return {
    answer$: reply$,
    /** Asks; fails when the peer refuses or does not come. Never emits. */
    asked$: (ask: TurnMeeting): Observable<never> =>
      merge(
        reply$.pipe(ignoreElements()),
        signalling.send$(peerId, askSignal(ask), { keepMs: timing.techniqueMs, isEverywhere: true }).pipe(
          switchMap((delivery) => {
            if (delivery === 'absent') throw new DialError(NO_SIGNAL);
            // A peer that fetches the request later may take as long as it is kept.
            return delivery === 'kept' ? EMPTY : late$;
          }),
        ),
      ),
  };
}
