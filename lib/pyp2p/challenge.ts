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

/** PyP2P's nodes announce four ports, and punch from their first to the peer's first, from the second to the second, and so on. */
const PORTS = 4;

/**
 * Both nodes start this long after the time in the messages, in milliseconds: a PyP2P node sends the current time, and both add this.
 * Nobody waits longer, since two clocks may differ.
 */
const NTP_DELAY_MS = 6_000;

/**
 * How long after its answer this node starts, in milliseconds: sooner than PyP2P's six seconds, so the time that it sends is
 * in the past. A PyP2P node that misses the start gives up. Before it knows the time, it asks up to six time servers one after the
 * other (five more the first time): with a tenth of a second for each name and a fifth for each answer, that takes two seconds. The
 * rest is for our answer to arrive.
 */
const MEETING_MS = 3_000;

/** How long a punch goes on, in milliseconds: as long as PyP2P's nodes try one connect, of which they make four, one after the other. */
const FIGHT_MS = 5_000;

/** How long a server has to confirm a candidate, in milliseconds: a round trip on the slowest of paths. */
const SET_MS = 5_000;

/** How long the peer's answer may take by way of the server, in milliseconds (PyP2P). */
const ANSWER_MS = 10_000;

/** What is known of challenges before there is a node. */
export const CHALLENGE = {
  name: 'challenge',
  stage: 'signal',
  serves: ({ version, nodeType }) => version === 2 && nodeType === 'simultaneous',
} as const satisfies TechniqueTraits;

/** The interval at which a node lists itself again at a server, in milliseconds: less than the 60 s after which the worst NATs forget. */
const LIST_MS = 25_000;

/** How many challenges are answered at once (PyP2P: one). */
const MAX_ANSWERED = 4;

/** The pause after each, for its address, in milliseconds (PyP2P: 2 s). */
const PAUSE_MS = 2_000;

/** Servers keep a candidate for this long, in milliseconds, and may name it again at any time (PyP2P). */
const CANDIDATE_MS = 120_000;

/** How many challenges are remembered for that time: more than can be accepted in it. */
const MAX_REMEMBERED = 1_000;

/** The address and ports that one node tells the other by way of the server. */
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
 * A server can name any address, and nothing proves that a node there has asked. So this node punches only to public IPv4 addresses,
 * to four at once, to each one at a time and with a pause of 2 s after it. The worst that a hostile server can do: four addresses get 4
 * SYNs each about every ten seconds (12 with the kernel's repetitions), and up to 256 if they answer RST.
 *
 * @param port the listening port to announce; nobody dials it.
 * @param maxInbound the number of connections to announce.
 */
export function answerChallenges$(context: ChallengeContext, port: number, maxInbound: number): Observable<never> {
  const { talks$, scheduler } = context;
  const busy = new Set<string>();
  const accepted = new Seen({ forMs: CANDIDATE_MS, maxEntries: MAX_REMEMBERED, now: () => scheduler.now() });
  return talks$.pipe(
    switchMap((talks) => merge(...talks.map((talk) => listed$(talk, port, maxInbound, scheduler)))),
    mergeMap(({ talk, address, ports }) => {
      // No answer, as from PyP2P's nodes: the peer gives up after 10 s.
      if (!isPublic(address) || busy.has(address) || busy.size >= MAX_ANSWERED || !context.hasSlotFor(address))
        return EMPTY;
      // The same challenge came before, maybe by another server. A new one would come with other ports.
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

/** Lists this node at a server, at intervals and whenever the server asks for it. Emits the challenges that come. */
function listed$(talk: ChallengeTalk, port: number, maxInbound: number, scheduler: SchedulerLike) {
  const list = () => {
    talk.send({ verb: 'SIMULTANEOUS', port, maxInbound });
    return EMPTY;
  };
  const challenge$ = talk.reply$.pipe(
    mergeMap((reply) => {
      // Being listed again is enough: ports are predicted when a challenge comes, and so never too old.
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

/** Whether it is a public IPv4 address; PyP2P knows no IPv6. */
function isPublic(address: string): boolean {
  return familyOf(address) === 4 && isPublicUnicast(address);
}

/** What every traced step of one punch has. */
type PunchOf = Pick<PunchStep, 'attemptId' | 'peerId' | 'round' | 'by'>;

/** This side with at most four ports, as PyP2P's nodes expect. */
function toldSideOf(own: OwnPunchSide): OwnPunchSide {
  const { type } = own.natType;
  if (type === 'random' || type === 'unknown') {
    throw new FinalError(`The ports of our NAT cannot be predicted (${type})`);
  }
  const localPorts = own.localPorts.slice(0, PORTS);
  // Where the NAT keeps ports, each external port is the local one.
  const areKept = type === 'open' || type === 'preserving';
  return { ...own, localPorts, ports: areKept ? localPorts : own.ports.slice(0, PORTS) };
}

/**
 * Plans one punch for each of our ports, to the peer's port at the same place in its list. Plans at once, and throws when that is not
 * possible. The peer does not tell its NAT type, so its ports are taken for certain.
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
