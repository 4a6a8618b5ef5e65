import {
  AsyncSubject,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  of,
  race,
  skip,
  startWith,
  Subject,
  take,
  tap,
  timeout,
  timer,
  type Observable,
} from 'rxjs';
import { ByAge } from '../bounds/by-age.js';
import { siteOf } from '../bounds/site.js';
import { type Endpoint } from '../endpoint.js';
import type { Identity } from '../identity.js';
import { siteBuckets } from '../bounds/rate-limit.js';
import type { Runtime } from '../runtime.js';
import { Assembly } from './assembly.js';
import { KEEP_MAX_MS } from '../parcel.js';
import { receiptOf, type PushRequest } from './messages.js';
import { agreedAddress, OWN_VOTE, type Votes } from './votes.js';

/** How long a parcel is held for nodes to agree on the sender's address. */
const AGREE_MS = 300;

/** The hold is split into steps. If the process was busy during one step, pushes that arrived meanwhile are handled before the next. */
const STEPS = 4;

/** How long a parcel waits to be taken. After that it is forgotten; nodes that got no receipt push it again. */
const TAKEN_MS = 5_000;

/** Parcels that are being held, or that nobody has taken yet. */
const MAX_HELD = 256;

/** Parcels that are remembered. */
const MAX_REMEMBERED = 4_096;

/** The rate at which one node may push: a burst for a receiver that comes back, then what a busy peer sends. */
const PUSHES_PER_SECOND = 50;
const PUSH_BURST = 512;

/** What an inbox needs. */
interface InboxConfig {
  readonly identity: Identity;
  readonly runtime: Pick<Runtime, 'scheduler'>;
  /** How many nodes there are, of different hosts, that could push to this one. */
  readonly neighbours: () => number;
}

/** A parcel as it arrives. */
export interface Arrived {
  readonly bytes: Buffer;
  /** The sender's address, if enough nodes agree on it. */
  readonly seenAt: string | undefined;
  /** Tells all nodes that they need not push it again. */
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
  /** In hex digits. */
  readonly digest: string;
  readonly bytes: Buffer;
  readonly votes: Votes;
  /** Emits when another host has pushed it. */
  readonly voted: Subject<void>;
  readonly receipt: AsyncSubject<Buffer>;
}

/** Makes an inbox. Parcels come out of it once each, in any order. */
export function createInbox({ identity, runtime: { scheduler }, neighbours }: InboxConfig): Inbox {
  const now = () => scheduler.now();
  const assembly = new Assembly();
  const held = new Map<string, Held>();
  const taken = new ByAge<string, { readonly receipt: Buffer; readonly at: number }>();
  const added = new Subject<Held>();
  const mayPush = siteBuckets({ perSecond: PUSHES_PER_SECOND, burst: PUSH_BURST, maxSites: 100, now });

  /** Forgets a parcel. */
  function forget(parcel: Held): void {
    if (held.get(parcel.digest) === parcel) held.delete(parcel.digest);
    parcel.receipt.complete();
  }

  /**
   * Makes room for a parcel that a host is the first to push: evicts a parcel that only one host has pushed, from the host with
   * most of those. Returns whether there is room.
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

  function toArrived(parcel: Held): Arrived {
    const { bytes, digest, votes, receipt } = parcel;
    return {
      bytes,
      seenAt: agreedAddress(votes, neighbours()),
      acknowledge: () => {
        if (held.get(digest) !== parcel) return;
        const signature = identity.sign(receiptOf(Buffer.from(digest, 'hex')));
        remember(digest, { receipt: signature, at: now() });
        receipt.next(signature);
        forget(parcel);
      },
    };
  }

  function remember(digest: string, receipt: { readonly receipt: Buffer; readonly at: number }): void {
    taken.add(digest, receipt);
    taken.keep(MAX_REMEMBERED);
  }

  /** Emits a parcel when the pushing nodes agree on the sender's address, or when the time for that is over. */
  const agreed$ = (parcel: Held) => {
    const voted$ = parcel.voted.pipe(
      startWith(undefined),
      filter(() => agreedAddress(parcel.votes, neighbours()) !== undefined),
    );
    const late$ = interval(AGREE_MS / STEPS, scheduler).pipe(skip(STEPS - 1));
    return race(voted$, late$).pipe(
      take(1),
      map(() => toArrived(parcel)),
    );
  };

  /** Forgets a parcel that nobody has taken: it may come again. */
  const forgotten$ = (parcel: Held) =>
    timer(TAKEN_MS, scheduler).pipe(
      tap(() => {
        forget(parcel);
      }),
      ignoreElements(),
    );

  const untilTaken$ = ({ receipt }: Held) => receipt.pipe(timeout({ first: TAKEN_MS, scheduler, with: () => EMPTY }));

  return {
    arrived$: added.pipe(mergeMap((parcel) => merge(agreed$(parcel), forgotten$(parcel)))),

    push$: ({ part, seenAt }, sender) =>
      defer(() => {
        const host = sender === undefined ? OWN_VOTE : siteOf(sender.address);
        if (sender !== undefined && !mayPush(host)) return EMPTY;
        const digest = part.digest.toString('hex');
        const known = taken.get(digest);
        if (known !== undefined && known.at + KEEP_MAX_MS > now()) return of(known.receipt);
        const before = held.get(digest);
        if (before?.votes.has(host) === true) return untilTaken$(before);
        const bytes = assembly.add(part, host);
        if (bytes === undefined) return EMPTY;
        if (before !== undefined) {
          before.votes.set(host, seenAt);
          before.voted.next();
          return untilTaken$(before);
        }
        if (!makeRoom(host)) return EMPTY;
        const votes: Votes = new Map([[host, seenAt]]);
        const parcel: Held = { digest, bytes, votes, voted: new Subject(), receipt: new AsyncSubject() };
        held.set(digest, parcel);
        added.next(parcel);
        return untilTaken$(parcel);
      }),
  };
}
