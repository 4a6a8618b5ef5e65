import { defer, NEVER, of, Subject, tap, throwError, timer, map, type Observable } from 'rxjs';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { PARCEL_MAX_BYTES } from '../../lib/parcel.js';
import type { Carrier, CarrierName, Delivery, Parcel, SendOptions } from '../../lib/signalling/carrier.js';
import { openEnvelope, sealEnvelope, type Envelope } from '../../lib/signalling/envelope.js';
import { signallingOver } from '../../lib/signalling/over-carriers.js';
import type { ReceivedSignal, Signalling } from '../../lib/signalling/signalling.js';
import type { TraceStep } from '../../lib/trace.js';
import { marbles, type Marbles } from '../support/marbles.js';
import { record } from '../support/record.js';
import { timesOf } from '../support/left-to-ci.js';

const [alice, bob, eve] = [createIdentity(), createIdentity(), createIdentity()];
const SIGNAL = { kind: 'k', body: { a: 1 } };

/** A carrier that a spec plays. */
class FakeChannel implements Carrier {
  readonly name: CarrierName = 'rendezvous';
  readonly parcel$: Observable<Parcel>;
  readonly sent: { readonly to: string; readonly envelope: Envelope | undefined; readonly options: SendOptions }[] = [];
  readonly #parcels = new Subject<Parcel>();
  acknowledged = 0;

  constructor(readonly answer$: Observable<Delivery> = of('delivered')) {
    this.parcel$ = this.#parcels.asObservable();
  }

  deliver(bytes: Buffer, from?: string, seenAt = '192.0.2.1'): void {
    const acknowledge = () => {
      this.acknowledged++;
    };
    this.#parcels.next({ bytes, from, seenAt, acknowledge });
  }

  send$(to: string, bytes: Buffer, options: SendOptions): Observable<Delivery> {
    return defer(() => {
      this.sent.push({ to, envelope: openEnvelope(alice, bytes), options });
      return this.answer$;
    });
  }
}

interface World extends Marbles {
  /** Bob's signalling over these carriers. */
  readonly over: (...carriers: readonly Carrier[]) => Signalling;
  readonly dropped: string[];
  readonly runtime: Runtime;
  /** A signal from Alice to Bob, sealed now. */
  readonly seal: (fields?: Partial<Omit<Envelope, 'from'>>) => Buffer;
}

function world(spec: (world: World) => void): void {
  marbles((helpers) => {
    const dropped: string[] = [];
    let count = 0;
    const { scheduler } = helpers;
    const runtime = { ...systemRuntime, scheduler, timeOfDay: () => scheduler.now(), newId: () => `id-${count++}` };
    const trace = (step: TraceStep) => {
      if (step.type === 'dropped') dropped.push(`${step.what}: ${step.reason}`);
    };
    spec({
      ...helpers,
      dropped,
      runtime,
      over: (...carriers) => signallingOver({ identity: bob, carriers, runtime, trace }),
      seal: (fields) =>
        sealEnvelope(alice, {
          to: bob.peerId,
          id: `of-alice-${count++}`,
          at: scheduler.now(),
          keepMs: 10_000,
          kind: 'k',
          body: {},
          ...fields,
        }),
    });
  });
}

describe('a signal', () => {
  it('is signed, sealed, unique and dated', () => {
    world(({ over, flush, scheduler }) => {
      const carrier = new FakeChannel();
      const signalling = over(carrier);
      scheduler.schedule(() => {
        record(signalling.send$(alice.peerId, SIGNAL, { keepMs: 5000, family: 6 }));
        record(signalling.send$(alice.peerId, SIGNAL));
      }, 7);
      flush();
      const [first, second] = carrier.sent;
      const { peerId: from } = bob;
      const order = { stream: 'id-0', sequence: 0 };
      expect(first?.envelope).toEqual({ from, to: alice.peerId, id: 'id-1', at: 7, keepMs: 5000, ...SIGNAL, order });
      expect([first?.to, first?.options]).toEqual([alice.peerId, { keepMs: 5000, family: 6 }]);
      expect([second?.envelope?.id, second?.envelope?.keepMs]).toEqual(['id-2', 10_000]);
    });
  });

  it('is kept for ten minutes at most', () => {
    world(({ over }) => {
      const carrier = new FakeChannel();
      record(over(carrier).send$(alice.peerId, SIGNAL, { keepMs: 1e9 }));
      expect(carrier.sent.map(({ envelope, options }) => [envelope?.keepMs, options.keepMs])).toEqual([
        [600_000, 600_000],
      ]);
    });
  });

  it('is numbered for its receiver, and names the latest before it that may still come', () => {
    world(({ over, flush, scheduler }) => {
      const answers: Delivery[] = ['delivered', 'kept', 'kept', 'absent', 'delivered', 'delivered'];
      const carrier = new FakeChannel(defer(() => of(answers.shift() ?? 'absent')));
      const signalling = over(carrier);
      const send = (to = alice.peerId, keepMs = 10_000) => record(signalling.send$(to, SIGNAL, { keepMs }));
      for (const keepMs of [10_000, 10_000, 5_000, 10_000]) send(alice.peerId, keepMs);
      send(alice.peerId);
      scheduler.schedule(() => send(), 5_000);
      scheduler.schedule(() => send(), 10_000);
      flush();
      const orders = carrier.sent.map(({ envelope }) => envelope?.order);
      expect(new Set(orders.map((order) => order?.stream)).size).toBe(1);
      expect(orders.map((order) => [order?.sequence, order?.after])).toEqual([
        [0, undefined],
        [1, undefined],
        [2, 1],
        [3, 2],
        [4, 2],
        // What was kept for five seconds is gone, and then all is.
        [5, 1],
        [6, undefined],
      ]);
    });
  });

  it('names one that is still on its way, and is of another stream for another receiver and after a restart', () => {
    world(({ over, flush }) => {
      const carrier = new FakeChannel(NEVER);
      const [signalling, restarted] = [over(carrier), over(carrier)];
      for (const [by, to] of [
        [signalling, alice],
        [signalling, alice],
        [signalling, eve],
        [restarted, alice],
      ] as const) {
        record(by.send$(to.peerId, SIGNAL));
      }
      flush();
      const [first, second, , last] = carrier.sent.map(({ envelope }) => envelope?.order);
      expect([first?.sequence, first?.after]).toEqual([0, undefined]);
      expect(second).toEqual({ stream: first?.stream ?? '', sequence: 1, after: 0 });
      expect(last?.sequence).toBe(0);
      expect(last?.stream).not.toBe(first?.stream);
    });
  });

  it('does not name one that was given up: most of those still waited for a server', () => {
    world(({ over, flush }) => {
      const carrier = new FakeChannel(NEVER);
      const signalling = over(carrier);
      signalling.send$(alice.peerId, SIGNAL).subscribe().unsubscribe();
      record(signalling.send$(alice.peerId, SIGNAL));
      flush();
      expect(carrier.sent.map(({ envelope }) => envelope?.order?.after)).toEqual([undefined, undefined]);
    });
  });

  it('is not sent before it is subscribed to', () => {
    world(({ over }) => {
      const carrier = new FakeChannel();
      void over(carrier).send$(alice.peerId, SIGNAL);
      expect(carrier.sent).toEqual([]);
    });
  });

  it('goes by the first carrier that delivers it, and by no more', () => {
    world(({ over, expectObservable, flush }) => {
      const answers: readonly Delivery[] = ['absent', 'delivered', 'delivered'];
      const carriers = answers.map((answer) => new FakeChannel(timer(2).pipe(map(() => answer))));
      expectObservable(over(...carriers).send$(alice.peerId, SIGNAL)).toBe('----(d|)', { d: 'delivered' });
      flush();
      expect(carriers.map(({ sent }) => sent.length)).toEqual([1, 1, 0]);
    });
  });

  it('goes by all where none delivers it, and is kept when one of them keeps it', () => {
    world(({ over, expectObservable }) => {
      const carriers = (...answers: readonly Delivery[]) => answers.map((answer) => new FakeChannel(of(answer)));
      const send$ = (...answers: readonly Delivery[]) => over(...carriers(...answers)).send$(alice.peerId, SIGNAL);
      expectObservable(send$('kept', 'absent')).toBe('(k|)', { k: 'kept' });
      expectObservable(send$('absent', 'kept')).toBe('(k|)', { k: 'kept' });
      expectObservable(send$('kept', 'delivered')).toBe('(d|)', { d: 'delivered' });
      expectObservable(send$('absent', 'absent')).toBe('(a|)', { a: 'absent' });
      expectObservable(send$()).toBe('(a|)', { a: 'absent' });
    });
  });

  it('waits for a carrier that hangs for half a second only', () => {
    world(({ over, expectObservable }) => {
      const [hanging, other] = [new FakeChannel(NEVER), new FakeChannel(of('delivered'))];
      expectObservable(over(hanging, other).send$(alice.peerId, SIGNAL)).toBe('500ms (d|)', { d: 'delivered' });
    });
  });

  it('goes everywhere at once when it is to, and is kept where one keeps it, whoever says to have delivered it', () => {
    world(({ over, expectObservable, flush }) => {
      const carriers = (['delivered', 'kept', 'absent'] as const).map((answer) => new FakeChannel(of(answer)));
      expectObservable(over(...carriers).send$(alice.peerId, SIGNAL, { isEverywhere: true })).toBe('(k|)', {
        k: 'kept',
      });
      flush();
      expect(carriers.map(({ sent }) => sent.length)).toEqual([1, 1, 1]);
    });
  });

  it('goes last by a carrier that does not see who sends it, so that a copy with the address comes first', () => {
    world(({ over, expectObservable, flush, scheduler }) => {
      const [blind, seeing] = [new FakeChannel(of('kept')), new FakeChannel(of('delivered'))];
      const at: number[] = [];
      const timed = (carrier: FakeChannel, isBlind: boolean): Carrier => ({
        name: carrier.name,
        isBlind,
        parcel$: carrier.parcel$,
        send$: (to, bytes, options) =>
          defer(() => {
            at.push(scheduler.now());
            return carrier.send$(to, bytes, options);
          }),
      });
      const both = over(timed(blind, true), timed(seeing, false)).send$(alice.peerId, SIGNAL, { isEverywhere: true });
      expectObservable(both).toBe('500ms (k|)', { k: 'kept' });
      flush();
      expect(at).toEqual([0, 500]);
      expect([blind.sent.length, seeing.sent.length]).toEqual([1, 1]);
    });
    world(({ over, expectObservable }) => {
      const blind: Carrier = { name: 'mqtt', isBlind: true, parcel$: NEVER, send$: () => of('kept') };
      expectObservable(over(blind).send$(alice.peerId, SIGNAL, { isEverywhere: true })).toBe('(k|)', { k: 'kept' });
    });
  });

  it('fails when it is too large, or its receiver is nobody', () => {
    world(({ over }) => {
      const carrier = new FakeChannel(throwError(() => new Error('never sent')));
      const failureTo = (to: string, body: Record<string, unknown>) =>
        String(record(over(carrier).send$(to, { kind: 'k', body })).error);
      expect(failureTo(alice.peerId, { a: 'a'.repeat(20_000) })).toMatch(/at most 16384 bytes, got 20/);
      expect(failureTo('alice', {})).toMatch(/Expected a peer id/);
      expect(carrier.sent).toEqual([]);
    });
  });
});

describe('the order of signals to this node', () => {
  const numbered = (seal: World['seal'], sequence: number, after?: number, stream = 's') =>
    seal({ body: { sequence }, order: { stream, sequence, after } });
  const sequencesOf = (values: readonly ReceivedSignal[]) => values.map(({ body }) => body['sequence']);

  it('is that of their sender, whichever carriers bring them in which order', () => {
    world(({ over, seal }) => {
      const carriers = [new FakeChannel(), new FakeChannel()];
      const { values } = record(over(...carriers).signal$);
      const signals = Array.from({ length: 50 }, (_, sequence) => numbered(seal, sequence, sequence - 1));
      signals[0] = numbered(seal, 0);
      signals.reverse().forEach((bytes, index) => carriers[index % 2]?.deliver(bytes));
      expect(sequencesOf(values)).toEqual(Array.from({ length: 50 }, (_, sequence) => sequence));
    });
  });

  it('costs no time where nothing before a signal may still come, or all of it has come', () => {
    world(({ over, seal }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      // Of an older stream nobody here knows how far it came: its sender does.
      carrier.deliver(numbered(seal, 7));
      carrier.deliver(numbered(seal, 9, 7));
      carrier.deliver(seal({ body: { sequence: 'none' } }));
      expect(sequencesOf(values)).toEqual([7, 9, 'none']);
    });
  });

  it('waits a second for one that does not come, and once', () => {
    world(({ over, seal, expectObservable, scheduler }) => {
      const carrier = new FakeChannel();
      const sequences$ = over(carrier).signal$.pipe(map(({ body }) => String(body['sequence'])));
      for (const [at, sequence, after] of [
        [1, 1, 0],
        [500, 2, 1],
        [2_000, 3, 0],
        [2_500, 5, 4],
        [2_600, 4, 3],
        [3_000, 0, undefined],
      ] as const) {
        scheduler.schedule(() => {
          carrier.deliver(numbered(seal, sequence, after));
        }, at);
      }
      expectObservable(sequences$, '^ 5s !').toBe('1001ms (12) 995ms 3 599ms (45) 396ms 0');
    });
  });

  it('is kept in each stream of each sender, without regard to the others', () => {
    world(({ over, seal }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      carrier.deliver(numbered(seal, 1, 0));
      carrier.deliver(numbered(seal, 2, undefined, 'another'));
      const order = { stream: 's', sequence: 3 };
      const fromEve = { to: bob.peerId, id: 'e', at: 0, keepMs: 1, kind: 'k', body: { sequence: 3 }, order };
      carrier.deliver(sealEnvelope(eve, fromEve));
      expect(sequencesOf(values)).toEqual([2, 3]);
    });
  });

  it('holds no more than 64 signals of one sender, and those that wait keep their order', () => {
    world(({ over, seal }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      for (let sequence = 1; sequence <= 64; sequence++) carrier.deliver(numbered(seal, sequence, sequence - 1));
      expect(values).toEqual([]);
      carrier.deliver(numbered(seal, 65, 64));
      expect(sequencesOf(values)).toEqual([65, ...Array.from({ length: 64 }, (_, index) => index + 1)]);
    });
  });

  it('does not have a signal acknowledged, or taken for a copy, that waits when nobody listens any more', () => {
    world(({ over, seal, dropped }) => {
      const carrier = new FakeChannel();
      const { signal$ } = over(carrier);
      const [first, second] = [numbered(seal, 0), numbered(seal, 1, 0)];
      const { subscription } = record(signal$);
      for (const bytes of [second, second]) carrier.deliver(bytes);
      expect(dropped).toEqual(['message: a copy']);
      subscription.unsubscribe();
      const { values } = record(signal$);
      carrier.deliver(second);
      expect(carrier.acknowledged).toBe(0);
      carrier.deliver(second);
      carrier.deliver(first);
      expect(sequencesOf(values)).toEqual([0, 1]);
      // Its copy with it.
      expect(carrier.acknowledged).toBe(3);
    });
  });
});

describe('signals to this node', () => {
  it('come by every carrier, with who sent them and where the sender was seen', () => {
    world(({ over, seal }) => {
      const carriers = [new FakeChannel(), new FakeChannel()];
      const { values } = record(over(...carriers).signal$);
      for (const carrier of carriers) carrier.deliver(seal(SIGNAL));
      const signal = { ...SIGNAL, from: alice.peerId, seenAt: '192.0.2.1' };
      expect(values).toEqual([signal, signal]);
    });
  });

  it('come with where the sender was met before where the carrier does not see it, and only there', () => {
    world(({ seal, runtime }) => {
      const parcels = new Subject<Parcel>();
      const blind: Carrier = { name: 'mqtt', isBlind: true, parcel$: parcels.asObservable(), send$: () => NEVER };
      const met = new Map([[alice.peerId, '45.45.1.1']]);
      const addressOf = (peerId: string) => met.get(peerId);
      const trace = () => undefined;
      const { values } = record(
        signallingOver({ identity: bob, carriers: [blind], addressOf, runtime, trace }).signal$,
      );
      const bring = (seenAt: string | undefined) => {
        parcels.next({ bytes: seal(), from: undefined, seenAt, acknowledge: () => undefined });
      };
      bring(undefined);
      bring('192.0.2.1');
      met.clear();
      bring(undefined);
      expect(values.map(({ seenAt }) => seenAt)).toEqual(['45.45.1.1', '192.0.2.1', undefined]);
    });
  });

  it('come with the address of this node where it has seen the sender itself, unless others have seen that from outside', () => {
    world(({ seal, runtime }) => {
      const parcels = new Subject<Parcel>();
      const lan: Carrier = { name: 'lan', isBlind: true, parcel$: parcels.asObservable(), send$: () => NEVER };
      const met = new Map<string, string>();
      const { values } = record(
        signallingOver({
          identity: bob,
          carriers: [lan],
          addressOf: (peerId) => met.get(peerId),
          runtime,
          trace: () => undefined,
        }).signal$,
      );
      const bring = (seenAt: string) => {
        const seen = { seenAt, seenBy: '192.168.1.7' };
        parcels.next({ bytes: seal(), from: undefined, ...seen, acknowledge: () => undefined });
      };
      bring('192.168.1.8');
      met.set(alice.peerId, '45.45.1.1');
      bring('192.168.1.8');
      bring('2a00::8');
      expect(values.map(({ seenAt, seenBy }) => [seenAt, seenBy])).toEqual([
        ['192.168.1.8', '192.168.1.7'],
        ['45.45.1.1', undefined],
        ['2a00::8', '192.168.1.7'],
      ]);
    });
  });

  it('come once, though a carrier brings one twice, or several do', () => {
    world(({ over, seal, dropped }) => {
      const carriers = [new FakeChannel(), new FakeChannel()];
      const { values } = record(over(...carriers).signal$);
      const signal = seal();
      for (const carrier of [...carriers, ...carriers]) carrier.deliver(signal);
      expect(values).toHaveSize(1);
      expect(dropped).toEqual(['message: a copy', 'message: a copy', 'message: a copy']);
    });
  });

  it('come to every subscriber, none of whom takes them from another', () => {
    world(({ over, seal }) => {
      const carrier = new FakeChannel();
      const { signal$ } = over(carrier);
      const [one, two] = [record(signal$), record(signal$)];
      carrier.deliver(seal());
      expect([one.values.length, two.values.length]).toEqual([1, 1]);
    });
  });

  it('are acknowledged once they have been handed on, and so are those that are dropped', () => {
    world(({ over, seal }) => {
      const carrier = new FakeChannel();
      const acknowledgedBefore: number[] = [];
      over(carrier).signal$.subscribe({
        next: () => acknowledgedBefore.push(carrier.acknowledged),
        error: fail,
      });
      const signal = seal();
      for (const bytes of [signal, signal, Buffer.from('garbage'), seal()]) carrier.deliver(bytes);
      expect(acknowledgedBefore).toEqual([0, 3]);
      expect(carrier.acknowledged).toBe(4);
    });
  });

  it('are dropped when they are for somebody else, or nobody can read them, and the next ones still come', () => {
    world(({ over, seal, dropped }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      for (const bytes of [seal({ to: eve.peerId }), Buffer.from('garbage'), Buffer.alloc(0)]) carrier.deliver(bytes);
      carrier.deliver(seal());
      expect(values).toHaveSize(1);
      const reason = 'message: malformed, not for this node, or not signed by its sender';
      expect(dropped).toEqual([reason, reason, reason]);
    });
  });

  it('are dropped when they are longer than any that we send, before they wait for their turn, and are not brought again', () => {
    world(({ over, seal, dropped }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      carrier.deliver(Buffer.alloc(PARCEL_MAX_BYTES + 1));
      carrier.deliver(seal());
      expect(values).toHaveSize(1);
      expect(dropped).toEqual([`message: longer than ${PARCEL_MAX_BYTES} bytes`]);
      expect(carrier.acknowledged).toBe(2);
    });
  });

  it('are dropped when their time is none, or their kind is longer than any', () => {
    world(({ over, seal, dropped }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      for (const fields of [{ at: -1 }, { at: 0.5 }, { keepMs: -1 }, { keepMs: 0.5 }, { kind: 'k'.repeat(65) }])
        carrier.deliver(seal(fields));
      expect([values.length, dropped.length]).toEqual([0, 5]);
    });
  });

  it('are dropped when they are of no use any more, or from the future, give or take two minutes', () => {
    world(({ over, seal, dropped, scheduler, flush }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      scheduler.schedule(() => {
        const now = scheduler.now();
        for (const at of [now - 129_999, now + 119_999]) carrier.deliver(seal({ at }));
        for (const at of [now - 130_000, now + 120_000, Number.MAX_SAFE_INTEGER]) carrier.deliver(seal({ at }));
        carrier.deliver(seal({ at: now - 719_999, keepMs: 1e9 }));
        carrier.deliver(seal({ at: now - 720_000, keepMs: 1e9 }));
      }, 1_000_000);
      flush();
      expect(values).toHaveSize(3);
      const words = (apart: string) =>
        `message: too old, or from the future: the peer's clock is ${apart} this node's: set the one that is wrong`;
      expect(dropped.filter((reason) => reason.includes('Infinity'))).toEqual([]);
      expect([dropped.length, dropped[0], dropped[1], dropped[3]]).toEqual([
        4,
        words('2 minutes behind'),
        words('2 minutes ahead of'),
        words('12 minutes behind'),
      ]);
    });
  });

  it('cannot be replayed for as long as they are of use', () => {
    world(({ over, seal, scheduler, flush }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      const signal = seal({ at: 119_999, keepMs: 600_000 });
      for (const ms of [0, 60_000, 600_000, 839_998, 839_999, 840_000, 900_000]) {
        scheduler.schedule(() => {
          carrier.deliver(signal);
        }, ms);
      }
      flush();
      expect(values).toHaveSize(1);
    });
  });

  it('of one sender come 200 at once and ten a second; those of others are not held up', () => {
    world(({ over, seal, dropped, scheduler, flush }) => {
      const carrier = new FakeChannel();
      const { values } = record(over(carrier).signal$);
      for (let i = 0; i < 250; i++) carrier.deliver(seal());
      expect([values.length, dropped.length]).toEqual([200, 50]);
      // All have been read.
      expect(carrier.acknowledged).toBe(250);
      const fromEve = { to: bob.peerId, id: 'e', at: 0, keepMs: 1, ...SIGNAL };
      carrier.deliver(sealEnvelope(eve, fromEve));
      expect(values).toHaveSize(201);
      scheduler.schedule(() => {
        for (let i = 0; i < 20; i++) carrier.deliver(seal());
      }, 1000);
      flush();
      expect(values).toHaveSize(211);
    });
  });
});

describe('clocks that are apart by more than two minutes', () => {
  it('are told on both sides, with how far they are apart and which is ahead, and neither is set', () => {
    marbles(({ scheduler, flush }) => {
      const dropped: string[][] = [[], []];
      const ends = [new FakeChannel(), new FakeChannel()] as const;
      const sent: string[] = [];
      // What one sends is brought to the other.
      const linked = (from: number): Carrier => ({
        name: 'rendezvous',
        parcel$: ends[from]?.parcel$ ?? NEVER,
        send$: (to, bytes) => {
          sent.push(to);
          ends[1 - from]?.deliver(bytes);
          return of('delivered');
        },
      });
      const [right, wrong] = [bob, alice].map((identity, index) => {
        const runtime = { ...systemRuntime, scheduler, timeOfDay: () => 1e12 + scheduler.now() + index * 300_000 };
        const trace = (step: TraceStep) => {
          if (step.type === 'dropped') dropped[index]?.push(step.reason);
        };
        return signallingOver({ identity, carriers: [linked(index)], runtime, trace });
      });
      if (right === undefined || wrong === undefined) throw new Error('Expected two');
      const came = [record(right.signal$), record(wrong.signal$)];
      expect(right.clockOf?.(alice.peerId)).toBeUndefined();
      for (let count = 0; count < 3; count++) record(wrong.send$(bob.peerId, SIGNAL));
      expect(right.clockOf?.(alice.peerId)).toBe(
        "the peer's clock is 5 minutes ahead of this node's: set the one that is wrong",
      );
      expect(wrong.clockOf?.(bob.peerId)).toBe(
        "the peer's clock is 5 minutes behind this node's: set the one that is wrong",
      );
      expect(came.map(({ values }) => values.length)).toEqual([0, 0]);
      // Told once, and not told again what was told.
      expect(sent.filter((to) => to === alice.peerId)).toHaveSize(1);
      expect(dropped.map((reasons) => reasons.length)).toEqual([3, 1]);
      for (const { subscription } of came) subscription.unsubscribe();
      flush();
    });
  });
});

describe('a flood of signals', () => {
  /** As a server may bring them: the keys are free, and proven. */
  const keys = Array.from({ length: 30 }, () => createIdentity());
  const junk = Buffer.concat([Buffer.from([2]), Buffer.alloc(120, 7)]);

  const FLOOD_MS = timesOf(4_000, 2_000);

  /** 1,100 a second of thirty strangers; between them some of Alice, who comes a second later. */
  function flooded(bytesOf: (stranger: Identity) => Buffer, siteOf: (stranger: number) => string, everyMs = 100) {
    const came = { ofAlice: 0, ofOthers: 0, sent: 0, acknowledged: 0, unopened: 0 };
    world(({ over, seal, dropped, scheduler, flush }) => {
      const [flood, box] = [new FakeChannel(), new FakeChannel()];
      const { values, subscription } = record(over(flood, box).signal$);
      for (let ms = 0; ms < FLOOD_MS; ms++) {
        scheduler.schedule(() => {
          for (let count = ms % 10 === 0 ? 2 : 1; count > 0; count--) {
            const stranger = (ms + count) % keys.length;
            const identity = keys[stranger] ?? eve;
            flood.deliver(bytesOf(identity), identity.peerId, siteOf(stranger));
          }
          if (ms < 1_000 || ms % everyMs !== 50) return;
          came.sent++;
          (came.sent % 2 === 0 ? flood : box).deliver(seal(), alice.peerId, '192.0.2.100');
        }, ms);
      }
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 14_000);
      flush();
      came.ofAlice = values.filter(({ from }) => from === alice.peerId).length;
      came.ofOthers = values.length - came.ofAlice;
      came.acknowledged = flood.acknowledged + box.acknowledged;
      came.unopened = dropped.filter((reason) => reason === 'message: one too many').length;
    });
    return came;
  }

  const ofSite = (stranger: number) => `198.51.100.${stranger}`;

  it('of invalid parcels does not keep others’ signals away, from however many sites it comes', () => {
    for (const siteOf of [ofSite, () => '198.51.100.1']) {
      const { ofAlice, ofOthers, sent } = flooded(() => junk, siteOf);
      const signals = (FLOOD_MS - 1_000) / 100;
      expect([ofAlice, ofOthers, sent]).toEqual([signals, 0, signals]);
    }
  });

  it('of valid signals leaves each site its share', () => {
    const pool = keys.map((identity) =>
      Array.from({ length: 10 }, (_, index) =>
        sealEnvelope(identity, { to: bob.peerId, id: `${index}`, at: 0, keepMs: 10_000, kind: 'k', body: {} }),
      ),
    );
    let count = 0;
    const next = (identity: Identity) => pool[keys.indexOf(identity)]?.[count++ % 10] ?? junk;
    const { ofAlice, ofOthers, sent } = flooded(next, ofSite, 500);
    const signals = (FLOOD_MS - 1_000) / 500;
    expect([ofAlice, sent]).toEqual([signals, signals]);
    expect(ofOthers).toBeGreaterThan(FLOOD_MS / 40);
  });

  it('that one broker brings leaves the other its turns, though neither knows who sends', () => {
    world(({ over, seal, scheduler, flush }) => {
      const brokers = ['bad', 'good'].map((via) => {
        const parcels = new Subject<Parcel>();
        const carrier: Carrier = { name: 'mqtt', parcel$: parcels.asObservable(), send$: () => NEVER };
        const bring = (bytes: Buffer) => {
          parcels.next({ bytes, from: undefined, seenAt: undefined, via, acknowledge: () => undefined });
        };
        return { carrier, bring };
      });
      const [bad, good] = brokers;
      const at: number[] = [];
      record(over(...brokers.map(({ carrier }) => carrier)).signal$.pipe(tap(() => at.push(scheduler.now()))));
      scheduler.schedule(() => {
        for (let count = 0; count < 600; count++) bad?.bring(junk);
        good?.bring(seal());
      });
      flush();
      // A hundred are opened a second: after one of the two hundred that wait.
      expect(at).toEqual([jasmine.any(Number)]);
      expect(at[0]).toBeLessThanOrEqual(30);
    });
  });

  it('is opened at a bounded rate, and what was not opened is not acknowledged', () => {
    const { acknowledged, unopened, sent } = flooded(() => junk, ofSite);
    // 400 at once, and a hundred a second for as long as some wait.
    expect(acknowledged).toBeLessThanOrEqual(400 + 14 * 100);
    expect(acknowledged + unopened).toBe(FLOOD_MS + FLOOD_MS / 10 + sent);
  });
});
