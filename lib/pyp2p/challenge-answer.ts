import {
  catchError,
  concat,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  switchMap,
  take,
  throwIfEmpty,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { DialError, reasonOf } from '../errors.js';
import type { ChallengeTalk } from './dialect.js';
import { Seen } from '../bounds/seen.js';
import { isPublic, NTP_DELAY_MS, punches, toldSideOf, type Told } from './challenge.js';
import type { ChallengeContext } from './challenge-context.js';

/**
 * How long after its answer this node starts, in milliseconds: sooner than PyP2P's six seconds, so the time that it sends is
 * in the past. A PyP2P node that misses the start gives up. Before it knows the time, it asks up to six time servers one after the
 * other (five more the first time): with a tenth of a second for each name and a fifth for each answer, that takes two seconds. The
 * rest is for our answer to arrive.
 */
const MEETING_MS = 3_000;

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
