import {
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  retry,
  switchMap,
  take,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { familyOf, scopeOf } from '../../endpoint.js';
import { DialError } from '../../errors.js';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import { PUNCH_ROUNDS } from './plan.js';
import { within } from '../../operators/within.js';
import type { Signalling } from '../../signalling/signalling.js';
import { LaterError, NOT_NOW } from '../../peers/guests.js';
import { askSignal, readAnswer, type PunchAnswer, type PunchAsk } from './messages.js';
import type { PunchContext } from './context.js';
import type { Unl, UnlV3 } from '../../unl/types.js';
import type { Attempt, Dial } from '../technique.js';
import { ANOTHER_FAMILY, MISCOUNTED, FinalError, expectWhereSeen, open$ } from './round.js';
import { NO_SIGNAL } from '../asks.js';

/** How long the peer has to answer: enough on slow paths to observe its NAT anew and to send two signals by the server. */
const ANSWER_MS = 5_000;

/** A peer that has too much to do is asked again after this time, in milliseconds. */
const LATER_MS = 1_000;

/** How often a peer is asked in total, even when it was busy. */
const MAX_ASKS = 12;

/** What is wrong when no server has shown this node's NAT. */
const UNSEEN =
  'No rendezvous server has told yet where it sees this node: see in `status$` whether they can be reached';

/**
 * TCP simultaneous open (RFC 9293 §3.5; RFC 5382 REQ-2 has NATs bear it): both nodes send a SYN from a predicted port to a
 * predicted port, and each NAT takes the other's for an answer. PyP2P's simultaneous connect, without its clock: the peer sends
 * its SYNs as long after its answer as that takes to get here, and this side as soon as it has it, so that the SYNs cross
 * half-way. Up to {@link PUNCH_ROUNDS} rounds, each with fresh predictions; of birthday plans, all but the first are paced.
 *
 * Many sockets may open. The node that asked is the TLS client, as whoever dials is: it chooses the first that proves the peer,
 * and sends its hello on no other. The other node accepts that socket like any inbound link. So the first line leaves half a
 * round trip earlier than if the peer chose. If both nodes ask each other at the same time, the greater key decides which of the
 * two links is kept, as for crossing dials.
 */
export function dialByPunch(context: PunchContext | undefined): Dial {
  return (attempt$) =>
    attempt$.pipe(
      switchMap((attempt) => {
        const { peer, own } = attempt;
        if (peer.version !== 3) throw new DialError('The UNL has no key to send a signal to');
        if (context === undefined) throw new DialError(whyNotPunching(own));
        let round = 0;
        let failed = 0;
        const nextRound = () => round++;
        return context.families$.pipe(
          tap((families) => {
            if (families.length === 0) throw new FinalError(UNSEEN);
          }),
          map((families) => families.filter((family) => isAt(peer, family))),
          switchMap((families) =>
            defer(() => {
              const family = families[failed % families.length];
              if (family === undefined)
                throw new FinalError('Servers see the two nodes by no common family of addresses (IPv4 or IPv6)');
              return askRound$(attempt, context, peer, family, { nextRound, mayGuess: failed === 0 });
            }),
          ),
          retry({
            delay: (error: unknown, count) => {
              const isBusy = error instanceof LaterError;
              if (!isBusy) failed++;
              if (error instanceof FinalError || failed >= PUNCH_ROUNDS || count >= MAX_ASKS) throw error;
              return timer(isBusy ? LATER_MS : 0, attempt.scheduler);
            },
          }),
        );
      }),
    );
}

/** Why this node cannot punch. */
function whyNotPunching({ version }: Unl): string {
  return version === 3
    ? 'This node has no rendezvous servers to see its NAT and to carry its signals: name two of them by `rendezvous`'
    : "This node has no key to sign a signal with, since its net is plain: make it with `security: 'tls'`";
}

/** What a round is to be like. */
interface RoundOptions {
  /** Returns the next round's number. */
  readonly nextRound: () => number;
  /** Whether no round has failed yet: then both sides may guess their ports, and a birthday plan may send a burst. */
  readonly mayGuess: boolean;
}

/** Asks the peer to punch, and punches when it agrees. Asks again when this side finds that the ports it had told were wrong. */
function askRound$(
  attempt: Attempt,
  context: PunchContext,
  { peerId, endpoints }: UnlV3,
  family: 4 | 6,
  { nextRound, mayGuess }: RoundOptions,
): Observable<Link> {
  const { id, signalling, scheduler } = attempt;
  const addresses = endpoints.map(({ address }) => address);
  return context.side$(family, addresses, { by: 'us', mayGuess }).pipe(
    switchMap((own) => {
      const { natType, address, ports } = own;
      const round = nextRound();
      const told = { attemptId: id, peerId, round, by: 'us' } as const;
      const ask = { attempt: id, round, side: own, roundTripMs: context.roundTripMs(family), mayGuess };
      context.tell({ ...told, step: 'asked', own: { natType, address, ports } });
      return exchange$(context, signalling, peerId, ask, scheduler).pipe(
        switchMap((answer) => {
          if ('refusal' in answer) {
            context.tell({ ...told, step: 'refused', reason: answer.refusal });
            const words = `The peer does not want to punch: ${answer.refusal}`;
            if (answer.refusal === MISCOUNTED || answer.refusal === ANOTHER_FAMILY) throw new DialError(words);
            throw answer.refusal === NOT_NOW ? new LaterError(words) : new FinalError(words);
          }
          const options = { delayMs: 0, isPaced: !mayGuess };
          return open$(context, told, own, answer.side, options, (socket) => context.secure$(socket, 'client', peerId));
        }),
      );
    }),
    take(1),
  );
}

/** Asks, and emits the peer's answers: a later one may withdraw the first. */
function exchange$(
  context: PunchContext,
  signalling: Signalling,
  peerId: PeerId,
  ask: PunchAsk,
  scheduler: SchedulerLike,
): Observable<PunchAnswer> {
  const answer$ = signalling.signal$.pipe(
    filter(({ from }) => from === peerId),
    mergeMap((signal) => {
      const answer = readAnswer(signal);
      if (answer?.attempt !== ask.attempt || answer.round !== ask.round) return EMPTY;
      if ('side' in answer) expectWhereSeen(answer.side, signal, context);
      return of(answer);
    }),
  );
  const sent$ = signalling
    .send$(peerId, askSignal(ask), { family: familyOf(ask.side.address), isEverywhere: ask.round > 0 })
    .pipe(
      tap((delivery) => {
        if (delivery === 'absent') throw new FinalError(NO_SIGNAL);
      }),
      ignoreElements(),
    );
  return merge(answer$, sent$).pipe(within(ANSWER_MS, 'The peer did not answer', scheduler));
}

/** Whether a locator has a global address of a family. */
function isAt({ endpoints }: UnlV3, family: 4 | 6): boolean {
  return endpoints.some(({ address }) => familyOf(address) === family && scopeOf(address) === 'global');
}
