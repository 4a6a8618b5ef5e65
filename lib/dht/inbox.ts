import {
  AsyncSubject,
  concatMap,
  defer,
  EMPTY,
  from,
  ignoreElements,
  interval,
  last,
  map,
  merge,
  mergeMap,
  of,
  Subject,
  take,
  tap,
  timeout,
  timer,
  type Observable,
} from 'rxjs';
import { siteOf } from '../bounds/site.js';
import { type Endpoint } from '../endpoint.js';
import type { Identity } from '../identity.js';
import { siteBuckets } from '../bounds/rate-limit.js';
import type { Runtime } from '../runtime.js';
import { Assembly } from './assembly.js';
import { MAX_KEEP_MS, receiptOf, type Part, type PushRequest } from './messages.js';
import { agreedAddress, isVouchedFor, OWN_VOTE, type Votes } from './votes.js';

/** A parcel is held so long for nodes to agree on where its sender is. */
const AGREE_MS = 300;

/** A parcel is held so long for one that was sent before it, and may still be on its way; and no longer, whatever else comes. */
const ORDER_MS = 1_000;

/** It waits in so many steps: after one in which this process had no time to look, what has arrived is taken before the next. */
const STEPS = 4;

/** Nodes are told within this time that a parcel was taken, or will push it again. */
const TAKEN_MS = 5_000;

/** Parcels that are being held, or that nobody has taken yet. */
const MAX_HELD = 256;

/** So many hosts at least have to push what comes next, for others to be counted from it. */
const SEVERAL = 2;

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
  readonly key: string;
  readonly bytes: Buffer;
  readonly digest: Buffer;
  readonly stream: string;
  readonly sequence: number;
  readonly votes: Votes;
  readonly receipt: AsyncSubject<Buffer>;
  /** Which of {@link AGREE_MS} and {@link ORDER_MS} have gone by; by their timers, for clocks are set and timers a little early. */
  waitedMs: number;
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
  const mayPush = siteBuckets({ perSecond: PUSHES_PER_SECOND, burst: PUSH_BURST, maxSites: 100, now });

  /** Whether a parcel has been held for long enough. */
  function isReady({ votes, waitedMs, stream, sequence }: Held): boolean {
    if (waitedMs >= ORDER_MS) return true;
    const before = latest.get(stream);
    // Of a stream that is new nobody knows what came before.
    const isNext = sequence <= (before ?? -1) + 1;
    if (!isNext && (before !== undefined || waitedMs < AGREE_MS)) return false;
    return waitedMs >= AGREE_MS || agreedAddress(votes, neighbours()) !== undefined;
  }

  /** Counts what follows from a parcel that is passed on. What few have pushed may be made up, and be of any number. */
  function count({ stream, sequence, votes }: Held): void {
    const before = latest.get(stream) ?? -1;
    const isNext = sequence === before + 1 && votes.size >= SEVERAL;
    if (isNext || isVouchedFor(votes, neighbours())) remember(latest, stream, Math.max(sequence, before));
  }

  /**
   * Takes out whatever need not be held any more, in order. Whoever stores a parcel knows its stream, and can push others under its name:
   * only what enough hosts have pushed holds others up, and nothing for longer than {@link ORDER_MS}.
   */
  function release(): Held[] {
    const waiting = [...held.values()].filter(({ isReleased }) => !isReleased);
    const inOrder = waiting.sort((a, b) => a.sequence - b.sequence);
    const blocked = new Set<string>();
    return inOrder.filter((parcel) => {
      const { stream, waitedMs, votes, digest } = parcel;
      // A copy of it under another number has been taken out.
      if (parcel.isReleased) return false;
      const isHeldUp = blocked.has(stream) && waitedMs < ORDER_MS;
      if (isHeldUp || !isReady(parcel)) {
        if (isVouchedFor(votes, neighbours())) blocked.add(stream);
        return false;
      }
      for (const copy of waiting) copy.isReleased ||= copy.digest.equals(digest);
      count(parcel);
      return true;
    });
  }

  /** Forgets a parcel. */
  function forget(parcel: Held): void {
    if (held.get(parcel.key) === parcel) held.delete(parcel.key);
    parcel.receipt.complete();
  }

  /**
   * Makes room for a parcel that a host is the first to push: what only one host has pushed gives way, of the host that has pushed most of
   * that. Returns whether there is room.
   */
  function makeRoom(host: string): boolean {
    if (held.size < MAX_HELD) return true;
    const alone = new Map<string, Held[]>([[host, []]]);
    for (const parcel of held.values()) {
      const [first = host] = parcel.votes.keys();
      if (parcel.votes.size === 1) alone.set(first, [...(alone.get(first) ?? []), parcel]);
    }
    const [greediest] = [...alone].sort(([, a], [, b]) => b.length - a.length);
    const [oldest] = greediest?.[1] ?? [];
    if (oldest === undefined || greediest?.[0] === host) return false;
    forget(oldest);
    return true;
  }

  function toArrived({ bytes, digest, votes }: Held): Arrived {
    return {
      bytes,
      seenAt: agreedAddress(votes, neighbours()),
      acknowledge: () => {
        const copies = [...held.values()].filter((copy) => copy.digest.equals(digest));
        if (copies.length === 0) return;
        const signature = identity.sign(receiptOf(digest));
        remember(taken, digest.toString('hex'), { receipt: signature, at: now() });
        for (const copy of copies) {
          copy.receipt.next(signature);
          forget(copy);
        }
      },
    };
  }

  /** Forgets a parcel that nobody has taken: it may come again. */
  const forgotten$ = (parcel: Held) =>
    timer(TAKEN_MS, scheduler).pipe(
      tap(() => {
        forget(parcel);
      }),
      ignoreElements(),
    );

  const waited$ = (parcel: Held, ms: number) =>
    interval(ms / STEPS, scheduler).pipe(
      take(STEPS),
      last(),
      tap(() => {
        parcel.waitedMs = ms;
      }),
    );

  const untilTaken$ = ({ receipt }: Held) => receipt.pipe(timeout({ first: TAKEN_MS, scheduler, with: () => EMPTY }));

  return {
    arrived$: merge(
      changed,
      added.pipe(mergeMap((parcel) => merge(waited$(parcel, AGREE_MS), waited$(parcel, ORDER_MS), forgotten$(parcel)))),
    ).pipe(concatMap(() => from(release()).pipe(map(toArrived)))),

    push$: ({ part, seenAt }, sender) =>
      defer(() => {
        const host = sender === undefined ? OWN_VOTE : siteOf(sender.address);
        if (sender !== undefined && !mayPush(host)) return EMPTY;
        const known = taken.get(part.digest.toString('hex'));
        if (known !== undefined && known.at + MAX_KEEP_MS > now()) return of(known.receipt);
        const key = keyOf(part);
        let parcel = held.get(key);
        if (parcel?.votes.has(host) === true) return untilTaken$(parcel);
        const bytes = assembly.add(part, host);
        if (bytes === undefined) return EMPTY;
        if (parcel === undefined) {
          if (!makeRoom(host)) return EMPTY;
          const { digest, sequence, stream } = part;
          parcel = {
            key,
            bytes,
            digest,
            stream: stream.toString('hex'),
            sequence,
            votes: new Map<string, string | undefined>(),
            receipt: new AsyncSubject(),
            waitedMs: 0,
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

/** The same bytes under another number, or in another stream, are another parcel: who stores one could renumber it. */
function keyOf({ digest, stream, sequence }: Part): string {
  return `${digest.toString('hex')} ${stream.toString('hex')} ${sequence}`;
}

/** Remembers something, and forgets the oldest of too much. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_REMEMBERED && oldest !== undefined) map.delete(oldest);
}
