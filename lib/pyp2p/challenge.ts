import type { Socket } from 'node:net';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  ignoreElements,
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
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { familyOf, isPublicUnicast } from '../endpoint.js';
import { DialError, reasonOf, TimeoutError } from '../errors.js';
import type { PunchReport } from '../techniques/punch/sockets.js';
import { planPunch, PUNCH_ROUNDS, type OwnPunchSide, type PunchPlan } from '../techniques/punch/plan.js';
import type { ChallengeReply, ChallengeTalk } from './dialect.js';
import { Seen } from '../bounds/seen.js';
import type { PunchStep } from '../techniques/punch/steps.js';
import { keptByPeer$ } from './challenge-choice.js';
import type { ChallengeContext } from './challenge-context.js';
import type { Dial, TechniqueTraits } from '../techniques/technique.js';
import { FinalError } from '../techniques/punch/round.js';

/** PyP2P's nodes tell four ports, and punch from the first to the peer's first, from the second to its second, and so on. */
const PORTS = 4;

/**
 * Both begin this long after the time that is told, in milliseconds: PyP2P's nodes tell what time it is, and add this. It is
 * also the most that anybody waits: two clocks may differ.
 */
const NTP_DELAY_MS = 6_000;

/**
 * And this long after our own answer, in milliseconds, so that we tell a time that is past. PyP2P's own meetings are twice
 * as far away, but a node of PyP2P's that misses one gives up, and before it knows what time it is it asks up to six time
 * servers, one after the other (the first time five that it tries out): with a tenth of a second for each name and a fifth
 * for each answer that is two seconds, and the rest is for the way of our answer.
 */
const MEETING_MS = 3_000;

/** A punch goes on for this long, in milliseconds: what PyP2P's nodes give to one connect, each of the four in its turn. */
const FIGHT_MS = 5_000;

/** For a server to take a candidate: a round trip on the slowest of paths. */
const SET_MS = 5_000;

/** For the peer's answer to come by way of the server (PyP2P). */
const ANSWER_MS = 10_000;

/** What is known of challenges before there is a node. */
export const CHALLENGE = {
  name: 'challenge',
  stage: 'signal',
  serves: ({ version, nodeType }) => version === 2 && nodeType === 'simultaneous',
} as const satisfies TechniqueTraits;

/** Between two times that a node tells a server that it is there: less than the 60 s in which the worst NATs seen forget. */
const LIST_MS = 25_000;

/** Punches that servers ask for, at once, and after each a pause for its address (PyP2P: one at a time, each 2 s). */
const MAX_ANSWERED = 4;
const PAUSE_MS = 2_000;

/** Servers keep a candidate for this long, in milliseconds, and may name it again at any time (PyP2P). */
const CANDIDATE_MS = 120_000;

/** Challenges that are remembered within that time: more than can be accepted. */
const MAX_REMEMBERED = 1_000;

/** What one node tells the other by way of the server. */
interface Told {
  readonly address: string;
  readonly ports: readonly number[];
}

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

/**
 * Lists this node at its servers as simultaneous, and accepts challenges: answers each with fresh predictions and a time,
 * and punches at that time. The socket on which PyP2P's nonce comes is the connection; the others are closed. Whatever one
 * of them does, the others go on. Never emits, never fails; unsubscribing takes the node off the lists.
 *
 * A server can name any address, and nobody proves that somebody is there who asked. So it is only public IPv4 addresses
 * that are punched to, each once at a time with a pause of 2 s behind, four at once: what a hostile server can make of it is
 * that four addresses get 4 SYNs each about every ten seconds (12 with the kernel's repetitions), and up to 256 where they
 * answer RST.
 *
 * @param port what others are told of where this node listens; nobody dials it.
 * @param maxInbound how many connections others are told that it takes.
 */
export function answerChallenges$(context: ChallengeContext, port: number, maxInbound: number): Observable<never> {
  const { talks$, scheduler } = context;
  const busy = new Set<string>();
  const accepted = new Seen({ forMs: CANDIDATE_MS, maxEntries: MAX_REMEMBERED, now: () => scheduler.now() });
  return talks$.pipe(
    switchMap((talks) => merge(...talks.map((talk) => listed$(talk, port, maxInbound, scheduler)))),
    mergeMap(({ talk, address, ports }) => {
      // PyP2P's nodes, too, say nothing to what they do not accept; who waits gives up in 10 s.
      if (!isPublic(address) || busy.has(address) || busy.size >= MAX_ANSWERED || !context.hasSlotFor(address))
        return EMPTY;
      // Another server, or the same one once more; who asks anew does so from other ports.
      if (!accepted.add(`${address} ${ports.join(' ')}`)) return EMPTY;
      busy.add(address);
      return concat(answer$(context, talk, { address, ports }), timer(PAUSE_MS, scheduler)).pipe(
        finalize(() => {
          busy.delete(address);
        }),
      );
    }),
    ignoreElements(),
  );
}

/** Says that this node is there, again and again, and when it is asked to; emits the challenges that come. */
function listed$(talk: ChallengeTalk, port: number, maxInbound: number, scheduler: SchedulerLike) {
  const list = () => {
    talk.send({ verb: 'SIMULTANEOUS', port, maxInbound });
    return EMPTY;
  };
  const challenge$ = talk.reply$.pipe(
    mergeMap((reply) => {
      // Predictions are made when a challenge comes, so they are always fresh: to be listed anew is all that it takes.
      if (reply.verb === 'RECONNECT') return list();
      return reply.verb === 'CHALLENGE' ? of({ talk, address: reply.address, ports: reply.ports }) : EMPTY;
    }),
    catchError(() => EMPTY),
  );
  return merge(challenge$, timer(0, LIST_MS, scheduler).pipe(mergeMap(list))).pipe(
    finalize(() => {
      talk.send({ verb: 'CLEAR' });
    }),
  );
}

/** Accepts one challenge. Never fails. */
function answer$(context: ChallengeContext, talk: ChallengeTalk, peer: Told): Observable<unknown> {
  const { timeOfDay, tell, receive$ } = context;
  const told = { attemptId: peer.address, peerId: peer.address, round: 0, by: 'peer' } as const;
  let isAgreed = false;
  return context.side$(4, [peer.address], { by: 'peer', mayGuess: false }).pipe(
    map(toldSideOf),
    switchMap((own) => {
      const punched = punches(context, told, own, peer, MEETING_MS);
      isAgreed = true;
      const ntp = (timeOfDay() + MEETING_MS - NTP_DELAY_MS) / 1000;
      talk.send({ verb: 'ACCEPT', address: peer.address, ports: own.ports, ntp });
      const socket$ = merge(...punched.map((punch$) => punch$.pipe(catchError(() => EMPTY))));
      return socket$.pipe(
        mergeMap((socket) => receive$(socket).pipe(catchError(() => EMPTY))),
        throwIfEmpty(() => new DialError('The peer opened no connection')),
      );
    }),
    take(1),
    catchError((error: unknown) => {
      if (!isAgreed) tell({ ...told, step: 'refused', reason: reasonOf(error) });
      return EMPTY;
    }),
  );
}

/** Whether it is one that PyP2P knows, and nobody's own network. */
function isPublic(address: string): boolean {
  return familyOf(address) === 4 && isPublicUnicast(address);
}

/** What every step of one punch is told with. */
type PunchOf = Pick<PunchStep, 'attemptId' | 'peerId' | 'round' | 'by'>;

/** This side as PyP2P's nodes know one: by four ports at most, the first of them first used. */
function toldSideOf(own: OwnPunchSide): OwnPunchSide {
  const { type } = own.natType;
  if (type === 'random' || type === 'unknown') {
    throw new FinalError(`The ports of our NAT cannot be predicted (${type})`);
  }
  const localPorts = own.localPorts.slice(0, PORTS);
  // Where ports are kept, what is true of the first is true of each.
  const areKept = type === 'open' || type === 'preserving';
  return { ...own, localPorts, ports: areKept ? localPorts : own.ports.slice(0, PORTS) };
}

/**
 * Plans at once, so that what cannot be planned throws: one punch for each of our ports, to the peer's of the same rank. It is
 * not told how the peer's NAT is, so each of its ports counts as one that is known.
 */
function punches(
  { options, punch$, tell }: ChallengeContext,
  told: PunchOf,
  own: OwnPunchSide,
  { address, ports }: Told,
  delayMs: number,
): readonly Observable<Socket>[] {
  const { natType, localPorts } = own;
  const peer = { natType: { type: 'unknown' }, address, ports: ports.slice(0, PORTS) } as const;
  const plans = own.ports.slice(0, peer.ports.length).map((port, i): PunchPlan => {
    const side = { ...own, ports: [port], localPorts: localPorts.slice(i, i + 1) };
    const plan = planPunch(side, { ...peer, ports: peer.ports.slice(i, i + 1) }, { ...options(), delayMs });
    return { ...plan, deadlineMs: delayMs + FIGHT_MS };
  });
  tell({
    ...told,
    step: 'planned',
    own: { natType, address: own.address, ports: own.ports },
    peer,
    plan: { syns: plans.length, delayMs, deadlineMs: delayMs + FIGHT_MS },
  });
  const reports: PunchReport[] = [];
  return plans.map((plan) =>
    punch$(plan, (report) => {
      reports.push(report);
      if (reports.length === plans.length) tell({ ...told, step: 'over', ...sumOf(reports) });
    }),
  );
}

function sumOf(reports: readonly PunchReport[]): PunchReport {
  const sum = (valueOf: (report: PunchReport) => number) =>
    reports.reduce((total, report) => total + valueOf(report), 0);
  return {
    sent: sum(({ sent }) => sent),
    refused: sum(({ refused }) => refused),
    opened: sum(({ opened }) => opened),
    accepted: sum(({ accepted }) => accepted),
    elapsedMs: Math.max(...reports.map(({ elapsedMs }) => elapsedMs)),
    reasons: [...new Set(reports.flatMap(({ reasons }) => reasons))],
  };
}
