import {
  catchError,
  concat,
  concatMap,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  map,
  mergeMap,
  of,
  reduce,
  switchMap,
  take,
  takeWhile,
  tap,
  timeout,
  type Observable,
} from 'rxjs';
import { PairingError, type PairingErrorCode } from '../../errors.js';
import { parseCode, type Code } from '../../pairing/code.js';
import { Joining, type JoiningFailure, type JoiningStep } from '../../pairing/joining.js';
import type { PairedPeer } from '../../pairing/messages.js';
import type { RendezvousSession } from '../../rendezvous/session.js';
import { sayAtSlot, trySlot$, type TryReply } from '../../rendezvous/slots.js';
import { formatUnl } from '../../unl.js';
import type { PairOptions } from './interface.js';
import { shownHere$, triedHere$ } from './local.js';
import { settled$, type PairingHost, type Settled } from './servers.js';

/** For the other node to answer one message: two round trips over a server, and some milliseconds of work. */
const ANSWER_MS = 10_000;

/** Why a try at one server has come to nothing. */
type Failure = JoiningFailure | 'nobody' | 'gone' | 'too-often' | 'unanswered' | 'unavailable';

/** What came of one server. */
type Outcome = { readonly peer: PairedPeer } | { readonly failure: Failure; readonly words?: string };

const UNANSWERED: Outcome = { failure: 'unanswered' };

const NOBODY: Outcome = { failure: 'nobody' };

/** What it means when a node of the local network did not come to the end of a try. */
const HERE = { gone: { failure: 'gone' }, nobody: NOBODY, unreached: UNANSWERED } as const;

/** What each failure is called; of several servers' failures, the one that stands first here is told. */
const FAILURES: readonly (readonly [Failure, PairingErrorCode, string])[] = [
  ['stranger', 'CODE_WRONG', 'Who answered does not know the code, and has tried to guess it: ask for a new code'],
  [
    'wrong',
    'CODE_WRONG',
    'The words are not those of the code: after three wrong tries it is closed, and a new one is needed',
  ],
  ['used', 'CODE_USED', 'Another node was first to use this code: it is good once, so ask for a new one'],
  ['gone', 'CODE_USED', 'The code was used by another node, or given up, at this very moment: ask for a new one'],
  ['own', 'CODE_OWN', 'This is the code of this node itself: it is to be typed at the other one'],
  [
    'garbled',
    'CODE_UNANSWERED',
    'What came is no answer: it was changed on its way, or the other node is of another version',
  ],
  ['closed', 'CODE_UNKNOWN', 'The code was closed after too many tries: ask for a new one'],
  [
    'unanswered',
    'CODE_UNANSWERED',
    `The node with this code does not answer: it did not within ${ANSWER_MS / 1_000} s`,
  ],
  [
    'too-often',
    'CODE_UNAVAILABLE',
    'There were too many tries, of this code or from this address: try again in a minute',
  ],
  [
    'nobody',
    'CODE_UNKNOWN',
    'Nobody waits with this code: its number is another one, it has expired or was used, or the other node is on another network and uses other servers',
  ],
];

/** See `Net.pair$`. */
export function pair$({ code: text }: PairOptions, host: PairingHost): Observable<PairedPeer> {
  return defer(() => {
    const code = parseCode(text);
    // The same at all servers: who shows the code there counts them as one try.
    const id = host.runtime.newId();
    const atServers$ = settled$(host).pipe(concatMap((server) => outcome$(server, code, id, host)));
    // Whatever a server's node has answered: a stranger may have the same number there, and the words are right here.
    const here$ = outcomesHere$(code, id, host);
    return host.own$.pipe(
      take(1),
      switchMap(() => concat(atServers$, here$)),
      takeWhile((outcome) => 'failure' in outcome, true),
      reduce((all: readonly Outcome[], outcome) => [...all, outcome], []),
      map((outcomes) => {
        const last = outcomes.at(-1);
        if (last !== undefined && 'peer' in last) return last.peer;
        throw errorOf(outcomes);
      }),
    );
  });
}

/** Tries a code at one server. */
function outcome$({ session, failure }: Settled, code: Code, id: string, host: PairingHost): Observable<Outcome> {
  if (session === undefined) return of({ failure: 'unavailable', ...(failure !== undefined && { words: failure }) });
  const { config, own, runtime } = host;
  return defer(() => {
    const { peerId } = config.identity;
    const joining = new Joining({ code, id, peerId, unl: formatUnl(own()) });
    return tried$(session, code.slot, id, joining);
  }).pipe(
    timeout({ each: ANSWER_MS, scheduler: runtime.scheduler, with: () => of(UNANSWERED) }),
    filter((step): step is Outcome => !('say' in step)),
    take(1),
    catchError(() => of(UNANSWERED)),
  );
}

/** Tries a code at the nodes of the local network that show its number. */
function outcomesHere$(code: Code, id: string, host: PairingHost): Observable<Outcome> {
  const { config, own, runtime, here } = host;
  if (here === undefined) return EMPTY;
  const { slot } = code;
  return shownHere$(here, slot, config.identity.peerId).pipe(
    mergeMap((peerId) =>
      defer(() => {
        const joining = new Joining({ code, id, peerId: config.identity.peerId, unl: formatUnl(own()) });
        return triedHere$(here, peerId, { slot, id, joining });
      }).pipe(
        map((end) => (typeof end === 'string' ? HERE[end] : end)),
        take(1),
        timeout({ each: ANSWER_MS, scheduler: runtime.scheduler, with: () => of(UNANSWERED) }),
      ),
    ),
    defaultIfEmpty(NOBODY),
  );
}

/** What comes of each reply. */
function tried$(
  session: RendezvousSession,
  slot: number,
  id: string,
  joining: Joining,
): Observable<JoiningStep | Outcome> {
  return trySlot$(session, slot, id, joining.first).pipe(
    map((reply) => stepOf(reply, joining)),
    tap((step) => {
      if ('say' in step) sayAtSlot(session, slot, id, step.say);
    }),
  );
}

function stepOf(reply: TryReply, joining: Joining): JoiningStep | Outcome {
  if ('message' in reply) return joining.take(reply.message);
  if (reply.code === 'too-often') return { failure: 'too-often' };
  if (reply.code === 'nobody') return { failure: joining.isAnswered ? 'gone' : 'nobody' };
  return { failure: 'unavailable', words: `The rendezvous server refused: ${reply.code}` };
}

function errorOf(outcomes: readonly Outcome[]): PairingError {
  const failures = outcomes.flatMap((outcome) => ('failure' in outcome ? outcome : []));
  const [failure, code, words] = FAILURES.find(([each]) => failures.some((outcome) => outcome.failure === each)) ?? [
    'unavailable',
    'CODE_UNAVAILABLE',
    'There is no server to meet at by a code',
  ];
  // Where some servers were not reached, the other node may be at one of those.
  const isMissed = failure === 'unavailable' || failure === 'nobody';
  const reasons = isMissed ? failures.flatMap((outcome) => outcome.words ?? []) : [];
  return new PairingError(code, [words, ...reasons].join('. '));
}
