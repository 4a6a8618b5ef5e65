import type { Socket } from 'node:net';
import {
  catchError,
  defer,
  EMPTY,
  filter,
  map,
  merge,
  mergeMap,
  of,
  retry,
  switchMap,
  take,
  throwError,
  throwIfEmpty,
  timeout,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { DialError, TimeoutError } from '../errors.js';
import { PUNCH_ROUNDS } from '../techniques/punch/plan.js';
import type { ChallengeReply, ChallengeTalk } from './dialect.js';
import { isPublic, NTP_DELAY_MS, punches, toldSideOf, type PunchOf } from './challenge.js';
import { keptByPeer$ } from './challenge-choice.js';
import type { ChallengeContext } from './challenge-context.js';
import type { Dial } from '../techniques/technique.js';
import { FinalError } from '../techniques/punch/round.js';

/** How long a server has to confirm a candidate, in milliseconds: a round trip on the slowest of paths. */
const SET_MS = 5_000;

/** How long the peer's answer may take by way of the server, in milliseconds (PyP2P). */
const ANSWER_MS = 10_000;

/**
 * PyP2P's challenge: TCP simultaneous open (RFC 9293 §3.5) with a node of PyP2P's, or one of ours in plain mode, that is
 * listed as simultaneous. Sends `CANDIDATE` with this node's next ports to every server, waits for `FIGHT` with the peer's
 * and the time, and punches at that time from four ports to four, each from one to one. Up to {@link PUNCH_ROUNDS} rounds,
 * each with fresh predictions.
 *
 * The side that dialled sends PyP2P's nonce on every socket that opens, and takes the one that the other side keeps: PyP2P's
 * nodes keep the first that connected there, ours the first on which the nonce came. Nobody proves anything: whoever has the address is the peer, as everywhere in plain mode. Servers
 * know nodes by their address alone, so of several behind one NAT it may be another one that answers.
 *
 * Nothing is sent to any other address than the one in the locator, whatever a server says.
 */
export function dialByChallenge(context: ChallengeContext | undefined): Dial {
  return (attempt$) =>
    attempt$.pipe(
      switchMap(({ id, peer, scheduler }) => {
        if (context === undefined) {
          throw new DialError(
            'Only a plain net in direct mode with rendezvous servers takes part in PyP2P’s challenges',
          );
        }
        if (peer.version !== 2) throw new DialError('The UNL is none of PyP2P’s');
        if (!isPublic(peer.wan)) throw new DialError(`The UNL has no public address: ${peer.wan}`);
        let round = 0;
        return defer(() => {
          const told = { attemptId: id, peerId: peer.nodeId, round: round++, by: 'us' } as const;
          return challengeRound$(context, peer.wan, told, scheduler);
        }).pipe(
          retry({
            count: PUNCH_ROUNDS - 1,
            delay: (error: unknown) => {
              if (error instanceof FinalError) throw error;
              return of(undefined);
            },
          }),
          map((socket) => context.link(socket, peer)),
        );
      }),
    );
}

/** Asks the node at an address to punch, and does so when it agrees. Emits the socket that the peer keeps. */
function challengeRound$(
  context: ChallengeContext,
  address: string,
  told: PunchOf,
  scheduler: SchedulerLike,
): Observable<Socket> {
  return context.side$(4, [address], { by: 'us', mayGuess: false }).pipe(
    map(toldSideOf),
    switchMap((own) =>
      fight$(context, address, own.ports, scheduler).pipe(
        switchMap(({ ports, ntp }) => {
          // What a server makes of the time is bounded; a time that is past, by a clock that differs, is now.
          const waitMs = ntp * 1000 + NTP_DELAY_MS - context.timeOfDay();
          const delayMs = Math.min(Math.max(0, waitMs), NTP_DELAY_MS);
          return keptByPeer$(punches(context, told, own, { address, ports }, delayMs), context);
        }),
      ),
    ),
    take(1),
  );
}

/** Tells the servers that this node wants to punch, and emits what the peer answers. */
function fight$(
  { talks$ }: ChallengeContext,
  address: string,
  ports: readonly number[],
  scheduler: SchedulerLike,
): Observable<Extract<ChallengeReply, { readonly verb: 'FIGHT' }>> {
  return talks$.pipe(
    filter((talks) => talks.length > 0),
    take(1),
    switchMap((talks) => merge(...talks.map((talk) => ask$(talk, address, ports)))),
    timeout({
      first: SET_MS,
      each: ANSWER_MS,
      scheduler,
      with: ({ seen }) =>
        throwError(() =>
          seen === 0
            ? new FinalError('The peer waits for challenges at none of our rendezvous servers')
            : new TimeoutError(`The peer did not accept the challenge within ${ANSWER_MS} ms`),
        ),
    }),
    mergeMap((reply) => (reply.verb === 'FIGHT' ? of(reply) : EMPTY)),
    take(1),
    throwIfEmpty(() => new DialError('The rendezvous server went away')),
  );
}

/** Emits that a server has taken the candidate, and then each answer from the address that was asked. */
function ask$({ reply$, send }: ChallengeTalk, address: string, ports: readonly number[]) {
  const answer$ = reply$.pipe(
    mergeMap((reply) => {
      const isFromPeer = reply.verb === 'FIGHT' && reply.address === address;
      return isFromPeer || reply.verb === 'PREDICTION SET' ? of(reply) : EMPTY;
    }),
    catchError(() => EMPTY),
  );
  const asked$ = defer(() => {
    send({ verb: 'CANDIDATE', address, ports });
    return EMPTY;
  });
  return merge(answer$, asked$);
}
