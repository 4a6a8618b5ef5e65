import {
  concat,
  concatMap,
  defaultIfEmpty,
  defer,
  EMPTY,
  merge,
  of,
  scan,
  share,
  takeLast,
  takeWhile,
  tap,
  type Observable,
} from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { Identity } from '../identity.js';
import { hostBuckets } from '../rate-limit.js';
import type { Runtime } from '../runtime.js';
import { Seen } from '../seen.js';
import type { Trace } from '../trace.js';
import {
  KEEP_MAX_MS,
  PARCEL_MAX_BYTES,
  type Channel,
  type ChannelName,
  type Delivery,
  type Parcel,
} from './channel.js';
import { openEnvelope, sealEnvelope, type Envelope } from './envelope.js';
import type { ReceivedSignal, Signalling } from './signalling.js';

/** Two clocks may differ by this much, in milliseconds; what is older or newer may be a replay. */
const CLOCK_MS = 120_000;

/** For how long a signal is of use, unless it says so itself: two nodes that are both there need no more. */
const KEEP_MS = 10_000;

/** Signals remembered for as long as they could be replayed: far more than nodes exchange, far less than memory. */
const MAX_REMEMBERED = 10_000;

/** Signals of one sender. Attempts send a few each; whoever sends more than this means no good. */
const OF_SENDER = { perSecond: 10, burst: 200, maxHosts: 1_000 };

/** What it works with. */
export interface ChannelsConfig {
  readonly identity: Identity;
  /** The fastest first. */
  readonly channels: readonly Channel[];
  readonly runtime: Runtime;
  readonly trace: Trace;
}

/**
 * Signals over several channels. Each is signed and sealed, and goes by the first channel that delivers it; where none does,
 * by all that keep it. What comes is taken once, whichever channels bring it and however often, for as long as it could be a
 * replay.
 */
export function signallingOver({ identity, channels, runtime, trace }: ChannelsConfig): Signalling {
  const { timeOfDay, scheduler } = runtime;
  // One that is kept for as long as may be, by a clock that is as wrong as may be, either way.
  const seen = new Seen({ forMs: KEEP_MAX_MS + 2 * CLOCK_MS, maxEntries: MAX_REMEMBERED, now: timeOfDay });
  const mayHear = hostBuckets({ ...OF_SENDER, now: () => scheduler.now() });

  const receive$ = (parcel: Parcel, by: ChannelName): Observable<ReceivedSignal> =>
    defer(() => {
      const envelope = openEnvelope(identity, parcel.bytes);
      const reason = reasonToDrop(envelope, parcel);
      if (reason !== undefined) trace({ type: 'dropped', what: 'message', peerId: parcel.from, reason });
      else if (envelope !== undefined)
        trace({ type: 'signal', step: 'received', peerId: envelope.from, kind: envelope.kind, by });
      const signal$ = envelope === undefined || reason !== undefined ? EMPTY : of(signalOf(envelope, parcel));
      // Only now: what a crash interrupts comes again.
      const acknowledged$ = defer(() => {
        parcel.acknowledge();
        return EMPTY;
      });
      return concat(signal$, acknowledged$);
    });

  function reasonToDrop(envelope: Envelope | undefined, parcel: Parcel): string | undefined {
    if (envelope === undefined) return 'malformed, not for this node, or not signed by its sender';
    const { from, id, at, keepMs } = envelope;
    // Where that one was seen says nothing of the sender, whose own copy may still come.
    if (parcel.from !== undefined && parcel.from !== from) return 'sent again by somebody else';
    const age = timeOfDay() - at;
    const isYoung = age < Math.min(keepMs, KEEP_MAX_MS) + CLOCK_MS;
    if (!isYoung || !(age > -CLOCK_MS)) return 'too old, or from the future';
    if (seen.has(`${from} ${id}`)) return 'a copy';
    if (!mayHear(from)) return 'one too many of this sender';
    seen.add(`${from} ${id}`);
    return undefined;
  }

  return {
    signal$: merge(
      ...channels.map(({ name, parcel$ }) => parcel$.pipe(concatMap((parcel) => receive$(parcel, name)))),
    ).pipe(share()),
    send$: (to, signal, { keepMs = KEEP_MS, family } = {}) =>
      defer(() => {
        const envelope = { ...signal, to, id: runtime.newId(), at: timeOfDay(), keepMs: Math.min(keepMs, KEEP_MAX_MS) };
        const bytes = expectSmall(sealEnvelope(identity, envelope));
        return concat(...channels.map((channel) => channel.send$(to, bytes, { keepMs: envelope.keepMs, family }))).pipe(
          scan(better),
          takeWhile((delivery) => delivery !== 'delivered', true),
          takeLast(1),
          defaultIfEmpty<Delivery, Delivery>('absent'),
          tap((delivery) => {
            trace({ type: 'signal', step: 'sent', peerId: to, kind: signal.kind, delivery });
          }),
        );
      }),
  };
}

function signalOf({ from, kind, body }: Envelope, { seenAt }: Parcel): ReceivedSignal {
  return { from, kind, body, seenAt };
}

function better(one: Delivery, other: Delivery): Delivery {
  return one === 'delivered' || other === 'absent' ? one : other;
}

function expectSmall(bytes: Buffer): Buffer {
  if (bytes.length <= PARCEL_MAX_BYTES) return bytes;
  throw new ProtocolError(`Expected a signal of at most ${PARCEL_MAX_BYTES} bytes, got ${bytes.length}`);
}
