import {
  connect,
  defaultIfEmpty,
  defer,
  distinct,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  switchMap,
  take,
  takeUntil,
  timer,
  type Observable,
} from 'rxjs';
import type { PeerId } from '../../identity.js';
import type { Lan } from '../../lan/lan.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import type { Joining, JoiningEnd } from '../../pairing/joining.js';
import type { SlotTry } from '../../rendezvous/slots.js';
import type { Runtime } from '../../runtime.js';
import type { Signal, Signalling } from '../../signalling/signalling.js';
import { answerSignal, readAnswer, readTry, topicOfSlot, trySignal } from './local-messages.js';

/** Before a number is taken, others are asked so long whether they have it, in milliseconds: most answer within 240. */
const LOOK_MS = 500;

/**
 * The node that shows a code is looked for so long, in milliseconds: a node that has just answered another question waits for a second before it
 * says the same again, and this node may still be opening its sockets.
 */
const FIND_MS = 3_000;

/** Once one was found, others that show the same number are waited for so long, in milliseconds: they answer the same question. */
const OTHERS_MS = 500;

/** What a node has answered may come so long after its word that it shows the number no more, in milliseconds: it goes by another connection. */
const LAST_WORD_MS = 1_000;

/**
 * The same of a node that has answered already, in milliseconds: it shows the number no more since the pair is made, and its last answer may go
 * by the local network after all other carriers, each of which has its time.
 */
const LAST_ANSWER_MS = 8_000;

/**
 * So many nodes that show the number are asked, one of each host: who happens to have the same, and hostile ones, each of which may guess the
 * words once. A host can have as many keys as it likes, and would leave no room for others.
 */
const MOST_ASKED = 4;

/** The local network as far as codes are concerned. */
export interface LocalPlace {
  readonly lan: Pick<Lan, 'isMet' | 'meet$' | 'under$'>;
  readonly signalling: Pick<Signalling, 'send$' | 'signal$'>;
  readonly runtime: Pick<Runtime, 'scheduler'>;
  /** Runs work to its end, though nobody waits for it any more. */
  readonly runToEnd: (work$: Observable<unknown>) => void;
}

/** Emits once whether a node of the local network shows a code with this number, this node or another, as far as that is heard soon. */
export function isTakenHere$({ lan, runtime }: LocalPlace, slot: number): Observable<boolean> {
  const topic = topicOfSlot(slot);
  const isHeard$ = lan.under$(topic).pipe(
    filter((nodes) => nodes.length > 0),
    map(() => true),
    take(1),
    takeUntil(timer(LOOK_MS, runtime.scheduler)),
    defaultIfEmpty(false),
  );
  // Asked last: another code of this node may have been made meanwhile.
  return isHeard$.pipe(map((isHeard) => isHeard || lan.isMet(topic)));
}

/** A message of a node that tries a code, and by which way it came. */
export interface LocalTried extends SlotTry {
  readonly way: string;
}

/** Has this node found under a number, and tells of the messages of those who try it. Never completes, never fails. */
export function triesHere$({ lan, signalling, runToEnd }: LocalPlace, slot: number): Observable<LocalTried> {
  const tried$ = signalling.signal$.pipe(
    mergeMap((signal) => {
      const said = readTry(signal);
      if (said?.slot !== slot) return EMPTY;
      const { from } = signal;
      const { id, message } = said;
      const answer = (bytes: Buffer) => {
        // The last answer makes a pair, and nobody listens for tries after it.
        runToEnd(signalling.send$(from, answerSignal({ id, message: bytes })));
      };
      return of({ way: `lan ${from}`, id, message, answer });
    }),
  );
  return merge(tried$, lan.meet$(topicOfSlot(slot)).pipe(ignoreElements()));
}

/** The nodes of the local network that show a code with this number: one of each host, a few at most. */
export function shownHere$({ lan, runtime }: LocalPlace, slot: number, own: PeerId): Observable<PeerId> {
  return lan.under$(topicOfSlot(slot)).pipe(
    mergeMap((nodes) => nodes),
    filter(({ peerId }) => peerId !== own),
    distinct(({ site }) => site),
    take(MOST_ASKED),
    map(({ peerId }) => peerId),
    connect((peerId$) => {
      const others$ = peerId$.pipe(switchMap(() => timer(OTHERS_MS, runtime.scheduler)));
      return peerId$.pipe(takeUntil(merge(others$, timer(FIND_MS, runtime.scheduler))));
    }),
  );
}

/**
 * What comes of a try at one node of the local network: its end; `nobody` when the node shows the number no more, `gone` when it had
 * answered before, `unreached` when no signal comes to it. Never fails.
 */
export function triedHere$(
  { lan, signalling, runtime }: LocalPlace,
  peerId: PeerId,
  { slot, id, joining }: { readonly slot: number; readonly id: string; readonly joining: Joining },
): Observable<JoiningEnd | 'gone' | 'nobody' | 'unreached'> {
  const say$ = (message: Buffer) => sent$(signalling, peerId, trySignal({ slot, id, message }));
  const step$ = signalling.signal$.pipe(
    filter(({ from }) => from === peerId),
    mergeMap((signal) => {
      const answer = readAnswer(signal);
      if (answer?.id !== id) return EMPTY;
      const step = joining.take(answer.message);
      return 'say' in step ? say$(step.say) : of(step);
    }),
  );
  const gone$ = lan.under$(topicOfSlot(slot)).pipe(
    filter((nodes) => !nodes.some((node) => node.peerId === peerId)),
    take(1),
    switchMap(() => timer(joining.isAnswered ? LAST_ANSWER_MS : LAST_WORD_MS, runtime.scheduler)),
    map(() => (joining.isAnswered ? 'gone' : 'nobody')),
  );
  return merge(
    step$,
    gone$,
    defer(() => say$(joining.first)),
  );
}

/** Emits when a signal is not delivered. */
function sent$(signalling: LocalPlace['signalling'], to: PeerId, signal: Signal): Observable<'unreached'> {
  return signalling.send$(to, signal).pipe(
    mergeMap((delivery) => (delivery === 'delivered' ? EMPTY : of('unreached' as const))),
    ignoreErrors(),
  );
}
