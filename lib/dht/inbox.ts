import {
  AsyncSubject,
  concatMap,
  defer,
  EMPTY,
  from,
  map,
  merge,
  mergeMap,
  of,
  Subject,
  timeout,
  timer,
  type Observable,
} from 'rxjs';
import { hostKey, type Endpoint } from '../endpoint.js';
import type { Identity } from '../identity.js';
import { hostBuckets } from '../rate-limit.js';
import type { Runtime } from '../runtime.js';
import { Assembly } from './assembly.js';
import { MAX_KEEP_MS, receiptOf, type PushRequest } from './messages.js';
import { agreedAddress, OWN_VOTE, type Votes } from './votes.js';

/** A parcel is held so long for nodes to agree on where its sender is. */
const AGREE_MS = 300;

/** A parcel is held so long for one that was sent before it, and may still be on its way. */
const ORDER_MS = 1_000;

/** Nodes are told within this time that a parcel was taken, or will push it again. */
const TAKEN_MS = 5_000;

/** Parcels that are being held, or that nobody has taken yet. */
const MAX_HELD = 256;

/** Parcels and senders that are remembered. */
const MAX_REMEMBERED = 4_096;

/** What one node may push: what it has for a receiver that comes back, and then what a busy peer sends. */
const PUSHES_PER_SECOND = 50;
const PUSH_BURST = 512;

/** What an inbox works with. */
export interface InboxConfig {
  readonly identity: Identity;
  readonly runtime: Pick<Runtime, 'scheduler'>;
  /** How many nodes there are, of different hosts, that could push to this one. */
  readonly neighbours: () => number;
}

/** A parcel as it arrives. */
export interface Arrived {
  readonly bytes: Buffer;
  /** Where so many nodes agree that its sender is that it can be believed. */
  readonly seenAt: string | undefined;
  /** Lets all nodes know that they need not push it any more. */
  readonly acknowledge: () => void;
}

/** Where parts become parcels again. */
export interface Inbox {
  readonly arrived$: Observable<Arrived>;
  /**
   * Takes what a node pushes. Emits a receipt once the parcel was acknowledged, and completes; without one when the parcel is not
   * whole, or not wanted.
   *
   * @param from the node, or `undefined` when the sender gave it to this node itself.
   */
  push$(push: PushRequest, from: Endpoint | undefined): Observable<Buffer>;
}

interface Held {
  readonly bytes: Buffer;
  readonly digest: Buffer;
  readonly stream: string;
  readonly sequence: number;
  readonly since: number;
  readonly votes: Votes;
  readonly receipt: AsyncSubject<Buffer>;
  isReleased: boolean;
}

/** Makes an inbox. Parcels come out of it once each, in the order in which each sender sent them. */
export function createInbox({ identity, runtime: { scheduler }, neighbours }: InboxConfig): Inbox {
  const now = () => scheduler.now();
  const assembly = new Assembly();
  const held = new Map<string, Held>();
  const taken = new Map<string, { readonly receipt: Buffer; readonly at: number }>();
  /** The latest of each stream that was passed on. */
  const latest = new Map<string, number>();
  const added = new Subject<Held>();
  const changed = new Subject<void>();
  const mayPush = hostBuckets({ perSecond: PUSHES_PER_SECOND, burst: PUSH_BURST, maxHosts: 100, now });

  /** Whether a parcel has been held for long enough. */
  function isReady({ votes, since, stream, sequence }: Held): boolean {
    const age = now() - since;
    const before = latest.get(stream);
    // Of a stream that is new nobody knows what came before.
    const isNext = sequence <= (before ?? -1) + 1;
    if (!isNext && age < (before === undefined ? AGREE_MS : ORDER_MS)) return false;
    return age >= AGREE_MS || agreedAddress(votes, neighbours()) !== undefined;
  }

  /** Takes out whatever need not be held any more, in order. */
  function release(): Held[] {
    const waiting = [...held.values()].filter(({ isReleased }) => !isReleased);
    const inOrder = waiting.sort((a, b) => a.sequence - b.sequence);
    const blocked = new Set<string>();
    return inOrder.filter((parcel) => {
      const { stream, sequence } = parcel;
      if (blocked.has(stream) || !isReady(parcel)) {
        blocked.add(stream);
        return false;
      }
      parcel.isReleased = true;
      remember(latest, stream, Math.max(sequence, latest.get(stream) ?? -1));
      return true;
    });
  }

  function toArrived({ bytes, digest, votes, receipt }: Held): Arrived {
    const key = digest.toString('hex');
    return {
      bytes,
      seenAt: agreedAddress(votes, neighbours()),
      acknowledge: () => {
        if (!held.delete(key)) return;
        const signature = identity.sign(receiptOf(digest));
        remember(taken, key, { receipt: signature, at: now() });
        receipt.next(signature);
        receipt.complete();
      },
    };
  }

  /** Forgets a parcel that nobody has taken: it may come again. */
  const forgotten$ = (parcel: Held) =>
    timer(TAKEN_MS, scheduler).pipe(
      mergeMap(() => {
        const key = parcel.digest.toString('hex');
        if (held.get(key) === parcel) held.delete(key);
        return EMPTY;
      }),
    );

  const untilTaken$ = ({ receipt }: Held) => receipt.pipe(timeout({ first: TAKEN_MS, scheduler, with: () => EMPTY }));

  return {
    arrived$: merge(
      changed,
      added.pipe(
        mergeMap((parcel) => merge(timer(AGREE_MS, scheduler), timer(ORDER_MS, scheduler), forgotten$(parcel))),
      ),
    ).pipe(concatMap(() => from(release()).pipe(map(toArrived)))),

    push$: ({ part, seenAt }, sender) =>
      defer(() => {
        const host = sender === undefined ? OWN_VOTE : hostKey(sender.address);
        if (sender !== undefined && !mayPush(host)) return EMPTY;
        const key = part.digest.toString('hex');
        const known = taken.get(key);
        if (known !== undefined && known.at + MAX_KEEP_MS > now()) return of(known.receipt);
        let parcel = held.get(key);
        if (parcel?.votes.has(host) === true) return untilTaken$(parcel);
        const bytes = assembly.add(part, host);
        if (bytes === undefined) return EMPTY;
        if (parcel === undefined) {
          if (held.size >= MAX_HELD) return EMPTY;
          const stream = part.stream.toString('hex');
          const { digest, sequence } = part;
          const votes: Votes = new Map();
          parcel = {
            bytes,
            digest,
            stream,
            sequence,
            since: now(),
            votes,
            receipt: new AsyncSubject(),
            isReleased: false,
          };
          held.set(key, parcel);
          added.next(parcel);
        }
        parcel.votes.set(host, seenAt);
        changed.next();
        return untilTaken$(parcel);
      }),
  };
}

/** Remembers something, and forgets the oldest of too much. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_REMEMBERED && oldest !== undefined) map.delete(oldest);
}
