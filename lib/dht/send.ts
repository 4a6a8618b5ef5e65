import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  forkJoin,
  map,
  merge,
  mergeMap,
  of,
  startWith,
  switchMap,
  takeLast,
  takeUntil,
  takeWhile,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { verifySignature, type PeerId } from '../identity.js';
import { takeTurns, type Turn } from '../operators/take-turns.js';
import type { Runtime } from '../runtime.js';
import type { Keeper } from './keeper.js';
import { lookup$ } from './lookup.js';
import {
  COMMAND,
  decodeAnswer,
  encodeStore,
  mailboxOf,
  receiptOf,
  STATUS,
  toParts,
  type Part,
  type StoreAnswer,
  type StoreRequest,
} from './messages.js';
import type { DhtNode } from './node.js';
import { askProven$ } from './prove.js';
import type { Found } from './walk.js';

/**
 * Nodes that a parcel is stored at. The receiver is announced at twenty; where a fifth of the nodes drop everything, a tenth is new
 * and unknown to the receiver, and one in twenty has just left, one copy is lost with 1 − 0.8 · 0.9 · 0.95 = 0.32, and all of 12 with one in a million.
 */
export const COPIES = 12;

/** How long found nodes are used for further parcels: signals come in bursts. */
const FOUND_MS = 20_000;

/** A node that has not answered by then, on a second try, is not waited for if others have stored the parcel. */
const STORED_MS = 2_000;

/** Receivers that are remembered, with what they were sent. */
const MAX_RECEIVERS = 1_000;

/** What became of a parcel. */
type Sent = 'delivered' | 'kept' | 'absent';

/** What a sender needs. */
interface SenderConfig {
  readonly node: DhtNode;
  readonly keeper: Keeper;
  readonly runtime: Pick<Runtime, 'scheduler'>;
}

/** Sends a parcel to be kept for so many milliseconds. Emits what became of it, and completes. Never fails. */
export type Send = (to: PeerId, bytes: Buffer, keepMs: number) => Observable<Sent>;

interface Receiver {
  readonly turn: Turn;
  found: readonly Found[];
  foundAt: number;
}

/** Makes a sender. It sends one parcel at a time to each receiver: a burst finds the nodes once, and each is told at its own pace. */
export function createSender({ node, keeper, runtime }: SenderConfig): Send {
  const { scheduler } = runtime;
  const receivers = new Map<PeerId, Receiver>();

  function receiverOf(to: PeerId): Receiver {
    const receiver = receivers.get(to) ?? { turn: takeTurns(), found: [], foundAt: -Infinity };
    receivers.delete(to);
    receivers.set(to, receiver);
    const [oldest] = receivers.keys();
    if (receivers.size > MAX_RECEIVERS && oldest !== undefined) receivers.delete(oldest);
    return receiver;
  }

  /** Stores all parts at one node. Emits the receiver's receipt, or `undefined` once they are stored; nothing when they are not. */
  function storeAll$(parts: readonly Part[], store$: (part: Part) => Observable<StoreAnswer | undefined>) {
    return forkJoin(parts.map((part) => store$(part).pipe(catchError(() => of(undefined))))).pipe(
      mergeMap((answers) => {
        const receipt = answers.find((answer) => answer?.receipt !== undefined)?.receipt;
        const isStored = answers.every((answer) => answer?.status === STATUS.ok || answer?.status === STATUS.delivered);
        return isStored || receipt !== undefined ? of(receipt) : EMPTY;
      }),
    );
  }

  function storeAround$(to: PeerId, parts: readonly Part[], keepMs: number, found: readonly Found[]): Observable<Sent> {
    const mailbox = mailboxOf(to);
    const [first] = parts;
    if (mailbox === undefined || first === undefined) return of('absent');
    const requestOf = (part: Part): StoreRequest => ({ to: mailbox, part, keepMs });
    const remote = found
      .slice(0, COPIES)
      .map(({ contact, token, seenAs }) =>
        storeAll$(parts, (part) =>
          askProven$(node, contact, COMMAND.store, { token, seenAs }, () => encodeStore(requestOf(part))).pipe(
            map(({ value }) => decodeAnswer(value)),
          ),
        ),
      );
    // This node may be one of the closest itself.
    const isMember = node.id() !== undefined;
    const own = isMember ? [storeAll$(parts, (part) => keeper.store$(requestOf(part), node.observed()?.address))] : [];
    let result: Sent = 'absent';
    const receipt = receiptOf(first.digest);
    const stored$ = merge(...remote, ...own).pipe(
      map((signature): Sent => {
        // A node's answer may be a lie; only the receiver's signature counts.
        return signature !== undefined && verifySignature(to, receipt, signature) ? 'delivered' : 'kept';
      }),
      tap((sent) => {
        result = sent;
      }),
      takeWhile((sent) => sent !== 'delivered', true),
      takeUntil(timer(STORED_MS, STORED_MS / 4, scheduler).pipe(filter(() => result !== 'absent'))),
    );
    return stored$.pipe(startWith<Sent>('absent'), takeLast(1));
  }

  return (to, bytes, keepMs) =>
    defer(() => {
      const mailbox = mailboxOf(to);
      if (mailbox === undefined) return of<Sent>('absent');
      const receiver = receiverOf(to);
      const fresh$ = lookup$({ node, target: mailbox, runtime }).pipe(
        tap((found) => {
          receiver.found = found;
          receiver.foundAt = scheduler.now();
        }),
      );
      const sent$ = (found: readonly Found[]) => defer(() => storeAround$(to, toParts(bytes), keepMs, found));
      const sending$ = defer(() => {
        const isFresh = receiver.foundAt + FOUND_MS > scheduler.now();
        if (!isFresh) return fresh$.pipe(switchMap(sent$));
        // The parcel was not delivered, so the nodes may have changed: look for them again.
        return sent$(receiver.found).pipe(
          concatMap((sent) => (sent === 'delivered' ? of(sent) : fresh$.pipe(switchMap(sent$)))),
        );
      });
      return receiver.turn(sending$);
    });
}
