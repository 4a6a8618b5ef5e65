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
  reduce,
  share,
  switchMap,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { Identity, PeerId } from '../identity.js';
import { headStart } from '../operators/head-start.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import { siteBuckets } from '../bounds/rate-limit.js';
import type { Runtime } from '../runtime.js';
import { Seen } from '../bounds/seen.js';
import type { SignalTrace } from './steps.js';
import { KEEP_MAX_MS, PARCEL_MAX_BYTES } from '../parcel.js';
import type { Carrier, CarrierName, Delivery, Parcel } from './carrier.js';
import { CLOCK_TOLERANCE_MS } from '../signed-request.js';
import { oneLine } from '../words.js';
import { PeerClocks } from './clocks.js';
import { openEnvelope, sealEnvelope, type Envelope } from './envelope.js';
import { InOrder } from './in-order.js';
import { Numbering } from './numbering.js';
import { KnownPeers, openingByTurns, siteOfParcel, type CarriedParcel } from './opening.js';
import { isSeenFromOutside, type ReceivedSignal, type Signalling } from './signalling.js';

/** How long a signal is kept by default: enough between two nodes that are both online. */
const KEEP_MS = 10_000;

/** The head start of a carrier over the next, in milliseconds: by then a live server has said whether the peer is connected. */
const HEAD_START_MS = 500;

/** How many signals are remembered: as many as can be opened in the time in which a replay is possible. */
const MAX_REMEMBERED = 100_000;

/** The rate limit of one sender. An attempt sends a few signals; a sender of more is hostile or has to wait. */
const OF_SENDER = { perSecond: 10, burst: 200, maxSites: 1_000 };

const A_COPY = 'a copy';

/** A signal without content: its time is what the receiver needs. */
const CLOCK = { kind: 'clock', body: {} };

/** What signalling needs of its node. */
interface CarriersConfig {
  readonly identity: Identity;
  /** The fastest first. */
  readonly carriers: readonly Carrier[];
  /** Where a peer was seen otherwise, for carriers that do not see their senders. */
  readonly addressOf?: ((peerId: PeerId) => string | undefined) | undefined;
  readonly runtime: Runtime;
  readonly trace: SignalTrace;
}

/**
 * Signals over several carriers. Each is signed and sealed, and goes by the first carrier that delivers it, each with a head
 * start over the next; where none does, by all that keep it. What comes is taken once, whichever carriers bring it and however
 * often, for as long as it could be a replay, and in the order in which its sender numbered it ({@link InOrder}).
 */
export function signallingOver({ identity, carriers, addressOf, runtime, trace }: CarriersConfig): Signalling {
  const { timeOfDay, scheduler } = runtime;
  // The longest time in which a replay could be accepted: kept for the longest time, by clocks that are wrong in both directions.
  const seen = new Seen({ forMs: KEEP_MAX_MS + 2 * CLOCK_TOLERANCE_MS, maxEntries: MAX_REMEMBERED, now: timeOfDay });
  const now = () => scheduler.now();
  const mayHear = siteBuckets({ now, ...OF_SENDER });
  const known = new KnownPeers();
  const clocks = new PeerClocks(runtime);

  /** Copies of signals that wait for their turn. They are acknowledged with the first. */
  const waiting = new Map<string, Parcel[]>();
  const inOrder = new InOrder(scheduler);
  const numbering = new Numbering(runtime);

  const drop = ({ from }: Parcel, reason: string) => {
    trace({ type: 'dropped', what: 'message', peerId: from, reason });
  };

  /**
   * Opens a parcel. It is acknowledged once the signal was passed on, or dropped.
   */
  const opened$ = ({ parcel, by }: CarriedParcel): Observable<ReceivedSignal> =>
    defer(() => {
      const envelope = openEnvelope(identity, parcel.bytes);
      const reason = reasonToDrop(envelope, parcel);
      const copies = envelope === undefined ? undefined : waiting.get(keyOf(envelope));
      if (envelope === undefined || reason !== undefined || copies !== undefined) {
        drop(parcel, reason ?? A_COPY);
        if (copies === undefined) parcel.acknowledge();
        else copies.push(parcel);
        return envelope === undefined || clocks.wordsOf(envelope.from) === undefined ? EMPTY : told$(envelope);
      }
      if (mayHear(envelope.from)) return accepted$(envelope, parcel, by);
      // Acknowledged, or the carrier would bring it again and again, in the place of other signals.
      drop(parcel, 'one too many of this sender');
      parcel.acknowledge();
      return EMPTY;
    });

  /**
   * Tells a peer the time, by a signal that says nothing else. The peer drops that signal because of its time, and so learns why
   * its own signals get no answer.
   */
  const told$ = ({ from, kind }: Envelope): Observable<never> =>
    kind === CLOCK.kind || !clocks.mayTell(from) ? EMPTY : send$(from, CLOCK).pipe(ignoreElements(), ignoreErrors());

  /** Drops parcels over the limit before they are queued, and acknowledges them so that they do not come again. */
  const isSmall = ({ parcel }: CarriedParcel): boolean => {
    if (parcel.bytes.length <= PARCEL_MAX_BYTES) return true;
    drop(parcel, `longer than ${PARCEL_MAX_BYTES} bytes`);
    parcel.acknowledge();
    return false;
  };

  function accepted$(envelope: Envelope, parcel: Parcel, by: CarrierName): Observable<ReceivedSignal> {
    const { from, kind, order } = envelope;
    const key = keyOf(envelope);
    const parcels = [parcel];
    waiting.set(key, parcels);
    const signal$ = inOrder.turn$(from, order).pipe(
      map(() => {
        waiting.delete(key);
        seen.add(key);
        known.heard(from, siteOfParcel(parcel));
        trace({ type: 'signal', step: 'received', peerId: from, kind: oneLine(kind), by });
        return signalOf(envelope, parcel, addressOf?.(from));
      }),
      finalize(() => waiting.delete(key)),
    );
    // Only now: what a crash interrupts comes again.
    const acknowledged$ = defer(() => {
      for (const { acknowledge } of parcels) acknowledge();
      return EMPTY;
    });
    return concat(signal$, acknowledged$);
  }

  function reasonToDrop(envelope: Envelope | undefined, parcel: Parcel): string | undefined {
    if (envelope === undefined) return 'malformed, not for this node, or not signed by its sender';
    const { from, at, keepMs } = envelope;
    // The address of whoever sent it again is not the sender's. The sender's own copy may still come.
    if (parcel.from !== undefined && parcel.from !== from) return 'sent again by somebody else';
    const age = timeOfDay() - at;
    const isYoung = age < Math.min(keepMs, KEEP_MAX_MS) + CLOCK_TOLERANCE_MS;
    if (!isYoung || !(age > -CLOCK_TOLERANCE_MS)) {
      clocks.isAhead(from, -age);
      return `too old, or from the future: ${clocks.wordsOf(from) ?? ''}`;
    }
    clocks.agrees(from);
    return seen.has(keyOf(envelope)) ? A_COPY : undefined;
  }

  const send$: Signalling['send$'] = (to, signal, { keepMs = KEEP_MS, family, isEverywhere = false } = {}) =>
    defer(() => {
      const [at, keep] = [timeOfDay(), Math.min(keepMs, KEEP_MAX_MS)];
      const order = numbering.next(to);
      const envelope = { ...signal, to, id: runtime.newId(), at, keepMs: keep, order };
      const bytes = expectSmall(sealEnvelope(identity, envelope));
      numbering.sent(to, order, at + keep);
      known.writtenTo(to);
      const sent$ = (carrier: Carrier) => carrier.send$(to, bytes, { keepMs: keep, family });
      const sends = isEverywhere
        ? everywhere(carriers, sent$, scheduler)
        : oneAfterTheOther(carriers.map(sent$), scheduler);
      return sends.pipe(
        tap((delivery) => {
          if (delivery !== 'kept') numbering.done(to, order);
          trace({ type: 'signal', step: 'sent', peerId: to, kind: signal.kind, delivery });
        }),
        tap({
          // Most of those that are given up wait for a server: the next ones are not to wait for them.
          unsubscribe: () => {
            numbering.done(to, order);
          },
        }),
      );
    });

  return {
    signal$: merge(
      ...carriers.map(({ name, parcel$ }) => parcel$.pipe(map((parcel): CarriedParcel => ({ parcel, by: name })))),
    ).pipe(
      filter(isSmall),
      openingByTurns({
        scheduler,
        known,
        onGiveWay: ({ parcel }) => {
          drop(parcel, 'one too many');
        },
      }),
      mergeMap(opened$),
      share(),
    ),
    send$,
    clockOf: (peerId) => clocks.wordsOf(peerId),
  };
}

/**
 * Sends by all carriers at once; those that do not see this node's address have to give the others a head start, since of several copies the
 * first is taken. `kept` counts more than `delivered`, since a server may be wrong about delivery.
 */
function everywhere(
  carriers: readonly Carrier[],
  sent$: (carrier: Carrier) => Observable<Delivery>,
  scheduler: SchedulerLike,
): Observable<Delivery> {
  const waits = carriers.some(({ isBlind }) => isBlind !== true);
  const sends = carriers.map((carrier) =>
    waits && carrier.isBlind === true
      ? timer(HEAD_START_MS, scheduler).pipe(switchMap(() => sent$(carrier)))
      : sent$(carrier),
  );
  return merge(...sends).pipe(
    reduce<Delivery, Delivery>((one, other) => (one === 'kept' || other === 'absent' ? one : other), 'absent'),
  );
}

/** Sends by one carrier after the other, each with a head start, until one delivers it. */
function oneAfterTheOther(sends: readonly Observable<Delivery>[], scheduler: SchedulerLike): Observable<Delivery> {
  if (sends.length === 0) return of('absent');
  let best: Delivery = 'absent';
  const delivered = sends.map((send$) =>
    send$.pipe(
      map((delivery) => {
        best = better(best, delivery);
        if (delivery !== 'delivered') throw new ProtocolError('It was not delivered');
        return delivery;
      }),
    ),
  );
  return headStart(delivered, HEAD_START_MS, scheduler).pipe(catchError(() => of(best)));
}

/** What names a signal. */
function keyOf({ from, id }: Envelope): string {
  return `${from} ${id}`;
}

/** @param seenBefore where the sender was seen otherwise. */
function signalOf({ from, kind, body }: Envelope, { seenAt, seenBy }: Parcel, seenBefore?: string): ReceivedSignal {
  // What was seen from outside says more than an address of this network: who is behind the same NAT shows by it, too.
  const isSeen = seenAt !== undefined && (seenBefore === undefined || isSeenFromOutside({ seenAt, seenBy }));
  if (!isSeen) return { from, kind, body, seenAt: seenBefore };
  return { from, kind, body, seenAt, ...(seenBy !== undefined && { seenBy }) };
}

function better(one: Delivery, other: Delivery): Delivery {
  return one === 'delivered' || other === 'absent' ? one : other;
}

function expectSmall(bytes: Buffer): Buffer {
  if (bytes.length <= PARCEL_MAX_BYTES) return bytes;
  throw new ProtocolError(`Expected a signal of at most ${PARCEL_MAX_BYTES} bytes, got ${bytes.length}`);
}
