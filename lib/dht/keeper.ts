import {
  AsyncSubject,
  defaultIfEmpty,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  NEVER,
  Observable,
  of,
  retry,
  startWith,
  Subject,
  switchMap,
  take,
  takeUntil,
  tap,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { siteOf } from '../bounds/site.js';
import { ProtocolError } from '../errors.js';
import { verifySignature, type PeerId } from '../identity.js';
import { backoffMs } from '../operators/backoff.js';
import { siteBuckets } from '../bounds/rate-limit.js';
import type { Runtime } from '../runtime.js';
import type { DhtLimits } from './limits.js';
import {
  announcementOf,
  COMMAND,
  decodeAnnounce,
  decodeStore,
  encodeAnswer,
  encodePush,
  FIND_PADDING,
  mailboxOf,
  receiptOf,
  STATUS,
  VERSION,
  type PushRequest,
  type StoreAnswer,
  type StoreRequest,
} from './messages.js';
import type { Asked, DhtNode } from './node.js';
import { Shelf, type Kept } from './shelf.js';
import { TopicKeeper } from './topic-keeper.js';

/** A receiver renews its announcement every 25 s; one renewal may be lost. */
const ANNOUNCED_MS = 60_000;

/**
 * How long a node that stores a part waits for the receiver's receipt: longer than the receiver holds a parcel to settle the
 * sender's address.
 */
const ANSWER_MS = 700;

/** A receiver that does not answer is pushed to again after this time, and then less and less often. */
const PUSH_AGAIN_MS = 1_000;
const MAX_PUSH_AGAIN_MS = 30_000;

/** Hosts whose rates are remembered. */
const MAX_HOSTS = 10_000;

/** What only a caller is answered who receives at its address. */
const NEEDING_TOKEN: readonly number[] = [COMMAND.announce, COMMAND.store, COMMAND.join];

/** What a keeper needs. */
interface KeeperConfig {
  readonly node: Pick<DhtNode, 'asked$' | 'id'>;
  readonly limits: DhtLimits;
  readonly runtime: Pick<Runtime, 'scheduler' | 'random'>;
}

/** How parts get to a receiver: emits its receipt, and completes. */
type Push = (push: PushRequest) => Observable<Buffer>;

/** The service of a DHT node to others: keeps parts for receivers, and pushes them to receivers that have announced themselves. */
export interface Keeper {
  /** Answers others for as long as it is subscribed to. Never emits and never fails. */
  readonly serve$: Observable<never>;
  /** Keeps a part as if it had been sent here. Emits what became of it, and completes. */
  store$(request: StoreRequest, seenAt: string | undefined): Observable<StoreAnswer>;
  /** While subscribed to, delivers parts for this node's own peer. Never emits. */
  announce$(peerId: PeerId, push: Push): Observable<never>;
  /** The members of topics that it keeps. */
  readonly topics: TopicKeeper;
}

interface Announced {
  readonly peerId: PeerId;
  readonly host: string;
  readonly push: Push;
  readonly expires: number;
}

interface Waiting extends Kept {
  readonly seenAt: string | undefined;
  readonly expires: number;
  /** The receiver has been announced anew. */
  readonly wake: Subject<void>;
  /** It is wanted no more. */
  readonly gone: Subject<void>;
  /** The receiver's word for it. */
  readonly receipt: AsyncSubject<Buffer>;
}

/** Stands for the host when this node's own parts and announcement are counted. */
const OWN = 'own';

/** Makes what a node does for others. It does nothing as long as it is not subscribed to. */
export function createKeeper({ node, limits, runtime: { scheduler, random } }: KeeperConfig): Keeper {
  const now = () => scheduler.now();
  const announced = new Map<string, Announced>();
  const room = new Admission<string>({ most: limits.announcements, mostOfSite: limits.announcementsPerHost });
  const shelf = new Shelf<Waiting>(limits, ({ gone }) => {
    gone.next();
  });
  const added = new Subject<Waiting>();
  const topics = new TopicKeeper({ node, limits, now });
  const mayAsk = siteBuckets({
    perSecond: limits.requestsPerSecond,
    burst: limits.requestBurst,
    maxSites: MAX_HOSTS,
    now,
  });

  function announcedAs(mailbox: string): Announced | undefined {
    const found = announced.get(mailbox);
    if (found === undefined || found.expires > now()) return found;
    forget(mailbox);
    return undefined;
  }

  function forget(mailbox: string): void {
    const host = announced.get(mailbox)?.host;
    announced.delete(mailbox);
    if (host !== undefined) room.leave(host, mailbox);
  }

  /** Takes an announcement in the place of the one before. Returns whether there is room. */
  function announce(mailbox: string, receiver: Announced): boolean {
    forget(mailbox);
    // The first is the one that has not been renewed for longest.
    for (const first of announced.keys()) {
      if (announcedAs(first) !== undefined) break;
    }
    const { host } = receiver;
    if (host !== OWN) {
      const { isIn, gaveWay } = room.admit(host, mailbox);
      if (!isIn) return false;
      if (gaveWay !== undefined) announced.delete(gaveWay);
    }
    announced.set(mailbox, receiver);
    for (const { wake } of shelf.of(mailbox)) wake.next();
    return true;
  }

  /** A receipt is for the whole parcel: its other parts need not be pushed any more. */
  function delivered(to: string, digest: Buffer, signature: Buffer): void {
    for (const { part, receipt, gone } of shelf.of(to)) {
      if (!part.digest.equals(digest)) continue;
      receipt.next(signature);
      receipt.complete();
      gone.next();
    }
  }

  /** Pushes a part until its receiver has it, or it is too late. Never fails. */
  function pushed$(waiting: Waiting): Observable<never> {
    const { to, part, seenAt, wake, gone, receipt, expires } = waiting;
    let tries = 0;
    const push$ = defer(() => {
      const receiver = announcedAs(to);
      if (receiver === undefined) {
        tries = 0;
        return NEVER;
      }
      tries++;
      const { peerId, push } = receiver;
      return push({ part, seenAt }).pipe(
        mergeMap((signature) =>
          verifySignature(peerId, receiptOf(part.digest), signature)
            ? of(signature)
            : throwError(() => new ProtocolError('Somebody else has signed the receipt')),
        ),
      );
    }).pipe(retry({ delay: () => timer(backoffMs(tries, PUSH_AGAIN_MS, MAX_PUSH_AGAIN_MS, random), scheduler) }));
    // A receiver that is announced anew may have come back to another address, and is pushed to at once.
    return wake.pipe(
      startWith(undefined),
      switchMap(() => push$),
      take(1),
      tap((signature) => {
        delivered(to, part.digest, signature);
      }),
      ignoreElements(),
      finalize(() => {
        shelf.delete(waiting);
        receipt.complete();
      }),
      takeUntil(merge(gone, timer(Math.max(0, expires - now()), scheduler))),
    );
  }

  function store$(
    { to, part, keepMs }: StoreRequest,
    seenAt: string | undefined,
    host: string,
  ): Observable<StoreAnswer> {
    return defer(() => {
      const fresh: Waiting = {
        to: to.toString('hex'),
        part,
        host,
        seenAt,
        expires: now() + keepMs,
        wake: new Subject(),
        gone: new Subject(),
        receipt: new AsyncSubject(),
      };
      const before = shelf.get(fresh);
      if (before === undefined) {
        if (!shelf.add(fresh)) return of({ status: STATUS.refused, receipt: undefined });
        added.next(fresh);
      }
      const kept: StoreAnswer = { status: STATUS.ok, receipt: undefined };
      const { receipt } = before ?? fresh;
      if (announcedAs(fresh.to) === undefined) return of(kept);
      return receipt.pipe(
        map((signature): StoreAnswer => ({ status: STATUS.delivered, receipt: signature })),
        timeout({ first: ANSWER_MS, scheduler, with: () => of(kept) }),
        // The part has expired or was evicted: do not keep its sender waiting.
        defaultIfEmpty(kept),
      );
    });
  }

  function onAnnounce({ from, value, token, askBack$ }: Asked): StoreAnswer {
    const refused = { status: STATUS.refused, receipt: undefined };
    const [id, announcement] = [node.id(), decodeAnnounce(value)];
    if (token === undefined || id === undefined || announcement === undefined) return refused;
    const { peerId, secret, signature } = announcement;
    const mailbox = mailboxOf(peerId);
    if (mailbox === undefined || !verifySignature(peerId, announcementOf(token, id, from, secret), signature))
      return refused;
    const push: Push = (request) =>
      askBack$({ command: COMMAND.push, value: encodePush(secret, request) }).pipe(map((answer) => answer.value));
    const receiver = { peerId, push, host: siteOf(from.address), expires: now() + ANNOUNCED_MS };
    return announce(mailbox.toString('hex'), receiver) ? { status: STATUS.ok, receipt: undefined } : refused;
  }

  function answer$(asked: Asked): Observable<unknown> {
    const { from, command, value, token, reply, refuse } = asked;
    // A push is for this node's own peer, not for the keeper.
    if (command === COMMAND.push) return EMPTY;
    // A node that is not part of the DHT serves nobody.
    if (node.id() === undefined) {
      refuse();
      return EMPTY;
    }
    if (!mayAsk(siteOf(from.address))) return EMPTY;
    if (command === COMMAND.find) {
      if (value.length >= FIND_PADDING.length) reply(VERSION, { token: true, closer: true });
      return EMPTY;
    }
    if (!NEEDING_TOKEN.includes(command)) {
      refuse();
      return EMPTY;
    }
    if (token === undefined) {
      reply(encodeAnswer({ status: STATUS.tokenNeeded, receipt: undefined }), { token: true });
      return EMPTY;
    }
    if (command === COMMAND.join) {
      reply(topics.onJoin(asked));
      return EMPTY;
    }
    if (command === COMMAND.announce) {
      reply(encodeAnswer(onAnnounce(asked)));
      return EMPTY;
    }
    const request = decodeStore(value);
    const stored$: Observable<StoreAnswer> =
      request === undefined
        ? of({ status: STATUS.refused, receipt: undefined })
        : store$(request, from.address, siteOf(from.address));
    return stored$.pipe(
      tap((answer) => {
        reply(encodeAnswer(answer));
      }),
    );
  }

  return {
    topics,
    serve$: merge(node.asked$.pipe(mergeMap(answer$)), added.pipe(mergeMap(pushed$))).pipe(ignoreElements()),
    store$: (request, seenAt) => store$(request, seenAt, OWN),
    announce$: (peerId, push) =>
      new Observable(() => {
        const mailbox = mailboxOf(peerId)?.toString('hex') ?? '';
        announce(mailbox, { peerId, push, host: OWN, expires: Infinity });
        return () => {
          forget(mailbox);
        };
      }),
  };
}
