import { concat, defer, EMPTY, map, NEVER, of, Subject, throwError, timer, type Observable } from 'rxjs';
import { createIdentity } from '../../lib/identity.js';
import type { RendezvousMessage, RendezvousSession } from '../../lib/rendezvous/session.js';
import { systemRuntime } from '../../lib/runtime.js';
import { openEnvelope, sealEnvelope, type Envelope } from '../../lib/signalling/envelope.js';
import { rendezvousSignalling } from '../../lib/signalling/rendezvous.js';
import type { Signalling } from '../../lib/signalling/signalling.js';
import type { TraceStep } from '../../lib/trace.js';
import { marbles, type Marbles } from '../support/marbles.js';
import { record } from '../support/record.js';

const [alice, bob, eve] = [createIdentity(), createIdentity(), createIdentity()];

/** A session that a spec plays the server of. */
class FakeSession implements RendezvousSession {
  readonly server = { host: 'rv.example.org', port: 8000 };
  readonly observed = undefined;
  readonly httpPort = undefined;
  readonly roundTripMs = undefined;
  readonly message$: Observable<RendezvousMessage>;
  readonly sent: { readonly to: string; readonly envelope: Envelope | undefined }[] = [];
  readonly #messages = new Subject<RendezvousMessage>();

  /** @param answer$ what the server says to a message: whether it delivered it. */
  constructor(readonly answer$: Observable<boolean> = of(true)) {
    this.message$ = this.#messages.asObservable();
  }

  /** The server passes a message on. */
  deliver(message: Buffer, from: string = alice.peerId): void {
    this.#messages.next({ from, message, seenAt: '192.0.2.1' });
  }

  /** The server goes away. */
  break(): void {
    this.#messages.error(new Error('the server went away'));
  }

  send$(to: string, message: Buffer): Observable<boolean> {
    return defer(() => {
      this.sent.push({ to, envelope: openEnvelope(message) });
      return this.answer$;
    });
  }

  readonly unls$ = () => EMPTY;
  readonly nodes$ = () => EMPTY;
  readonly advertise = () => undefined;
  readonly advertisePassive = () => undefined;
  readonly challenges = { reply$: NEVER, send: () => undefined };
}

interface World extends Marbles {
  /** Bob's signalling over these sessions. */
  readonly over: (...sessions: readonly RendezvousSession[]) => Signalling;
  readonly overChanging: (sessions$: Observable<readonly RendezvousSession[]>) => Signalling;
  readonly dropped: string[];
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
      if (step.type === 'dropped') dropped.push(`${step.what} from ${step.peerId}: ${step.reason}`);
    };
    const overChanging = (sessions$: Observable<readonly RendezvousSession[]>) =>
      rendezvousSignalling({ identity: bob, sessions$, runtime, trace });
    spec({
      ...helpers,
      dropped,
      overChanging,
      over: (...sessions) => overChanging(concat(of(sessions), NEVER)),
      seal: (fields) =>
        sealEnvelope(alice, {
          to: bob.peerId,
          id: `of-alice-${count++}`,
          at: helpers.scheduler.now(),
          kind: 'k',
          body: {},
          ...fields,
        }),
    });
  });
}

describe('a signal over the rendezvous servers', () => {
  it('is signed, unique and dated', () => {
    world(({ over, flush, scheduler }) => {
      const session = new FakeSession();
      const signalling = over(session);
      scheduler.schedule(() => {
        record(
          concat(
            signalling.send$(alice.peerId, { kind: 'k', body: { a: 1 } }),
            signalling.send$(alice.peerId, { kind: 'k', body: {} }),
          ),
        );
      }, 7);
      flush();
      expect(session.sent.map(({ to }) => to)).toEqual([alice.peerId, alice.peerId]);
      expect(session.sent[0]?.envelope).toEqual({
        from: bob.peerId,
        to: alice.peerId,
        id: 'id-0',
        at: 7,
        kind: 'k',
        body: { a: 1 },
      });
      expect(session.sent[1]?.envelope?.id).toBe('id-1');
    });
  });

  it('is not sent before it is subscribed to', () => {
    world(({ over }) => {
      const session = new FakeSession();
      void over(session).send$(alice.peerId, { kind: 'k', body: {} });
      expect(session.sent).toEqual([]);
    });
  });

  it('goes through the first server that can deliver it, and through no more', () => {
    world(({ over, expectObservable, flush }) => {
      const sessions = [false, true, true].map((isDelivered) => new FakeSession(timer(2).pipe(map(() => isDelivered))));
      expectObservable(over(...sessions).send$(alice.peerId, { kind: 'k', body: {} })).toBe('----(t|)', { t: true });
      flush();
      expect(sessions.map(({ sent }) => sent.length)).toEqual([1, 1, 0]);
    });
  });

  it('is not delivered when the peer is at none of the servers, or there is none', () => {
    world(({ over, expectObservable }) => {
      const absent = () => new FakeSession(of(false));
      expectObservable(over(absent(), absent()).send$(alice.peerId, { kind: 'k', body: {} })).toBe('(f|)', {
        f: false,
      });
      expectObservable(over().send$(alice.peerId, { kind: 'k', body: {} })).toBe('(f|)', { f: false });
    });
  });

  it('goes on to the next server when one breaks, or says nothing for 5 s', () => {
    world(({ over, cold, expectObservable, expectSubscriptions }) => {
      const silent = cold<boolean>('-');
      const broken = new FakeSession(throwError(() => new Error('gone')));
      const signalling = over(broken, new FakeSession(silent), new FakeSession());
      expectObservable(signalling.send$(alice.peerId, { kind: 'k', body: {} })).toBe('5s (t|)', { t: true });
      expectSubscriptions(silent.subscriptions).toBe('^ 4999ms !');
    });
  });

  it('is not waited for any more when it is unsubscribed from', () => {
    world(({ over, cold, expectObservable, expectSubscriptions }) => {
      const [silent, next] = [cold<boolean>('-'), new FakeSession()];
      expectObservable(over(new FakeSession(silent), next).send$(alice.peerId, { kind: 'k', body: {} }), '^--!').toBe(
        '-',
      );
      expectSubscriptions(silent.subscriptions).toBe('^--!');
      expect(next.sent).toEqual([]);
    });
  });
});

describe('signals to this node', () => {
  it('come from every server, with who sent them and where the server sees the sender', () => {
    world(({ over, seal }) => {
      const sessions = [new FakeSession(), new FakeSession()];
      const { values } = record(over(...sessions).signal$);
      for (const session of sessions) session.deliver(seal({ body: { a: 1 } }));
      expect(values.map(({ from, kind, body, seenAt }) => [from, kind, body, seenAt])).toEqual([
        [alice.peerId, 'k', { a: 1 }, '192.0.2.1'],
        [alice.peerId, 'k', { a: 1 }, '192.0.2.1'],
      ]);
    });
  });

  it('come once, though a server passes one on twice, or several do', () => {
    world(({ over, seal, dropped }) => {
      const sessions = [new FakeSession(), new FakeSession()];
      const { values } = record(over(...sessions).signal$);
      const signal = seal();
      for (const session of [...sessions, ...sessions]) session.deliver(signal);
      expect(values).toHaveSize(1);
      expect(dropped).toEqual(Array.from({ length: 3 }, () => `message from ${alice.peerId}: a copy`));
    });
  });

  it('come to every subscriber, none of whom takes them from another', () => {
    world(({ over, seal }) => {
      const session = new FakeSession();
      const { signal$ } = over(session);
      const [one, two] = [record(signal$), record(signal$)];
      session.deliver(seal());
      expect([one.values.length, two.values.length]).toEqual([1, 1]);
    });
  });

  it('are dropped when they are for somebody else', () => {
    world(({ over, seal, dropped }) => {
      const session = new FakeSession();
      const { values } = record(over(session).signal$);
      session.deliver(seal({ to: eve.peerId }));
      expect(values).toEqual([]);
      expect(dropped).toEqual([`message from ${alice.peerId}: for somebody else`]);
    });
  });

  it('are dropped when their signature is not their sender’s, and the next ones still come', () => {
    world(({ over, seal, dropped }) => {
      const session = new FakeSession();
      const { values } = record(over(session).signal$);
      const damaged = seal();
      damaged.writeUInt8(damaged.readUInt8(0) ^ 1, 0);
      for (const message of [damaged, Buffer.from('garbage'), Buffer.alloc(0)]) session.deliver(message, eve.peerId);
      session.deliver(seal());
      expect(values).toHaveSize(1);
      expect(dropped).toEqual(
        Array.from({ length: 3 }, () => `message from ${eve.peerId}: malformed, or not signed by its sender`),
      );
    });
  });

  it('are of whom they are signed by, whatever the server says', () => {
    world(({ over, seal }) => {
      const session = new FakeSession();
      const { values } = record(over(session).signal$);
      session.deliver(seal(), eve.peerId);
      expect(values.map(({ from }) => from)).toEqual([alice.peerId]);
    });
  });

  it('are dropped when they are two minutes old, or from the future', () => {
    world(({ over, seal, dropped, scheduler, flush }) => {
      const session = new FakeSession();
      const { values } = record(over(session).signal$);
      scheduler.schedule(() => {
        const now = scheduler.now();
        for (const at of [now - 119_999, now + 119_999]) session.deliver(seal({ at }));
        for (const at of [now - 120_000, now + 120_000, Number.MAX_VALUE]) session.deliver(seal({ at }));
      }, 1_000_000);
      flush();
      expect(values).toHaveSize(2);
      expect(dropped).toEqual(
        Array.from({ length: 3 }, () => `message from ${alice.peerId}: too old, or from the future`),
      );
    });
  });

  it('cannot be replayed for as long as they are young enough', () => {
    world(({ over, seal, scheduler, flush }) => {
      const session = new FakeSession();
      const { values } = record(over(session).signal$);
      const signal = seal({ at: 119_999 });
      for (const ms of [0, 60_000, 180_000, 239_998, 239_999, 240_000, 300_000]) {
        scheduler.schedule(() => {
          session.deliver(signal);
        }, ms);
      }
      flush();
      expect(values).toHaveSize(1);
    });
  });

  it('still come over the other servers, and over a new session, when one breaks', () => {
    world(({ overChanging, seal }) => {
      const [first, second, third] = [new FakeSession(), new FakeSession(), new FakeSession()];
      const sessions$ = new Subject<readonly RendezvousSession[]>();
      const recording = record(overChanging(sessions$.asObservable()).signal$);
      sessions$.next([first, second]);
      first.break();
      second.deliver(seal());
      sessions$.next([second, third]);
      third.deliver(seal());
      second.deliver(seal());
      expect(recording.error).toBeUndefined();
      expect(recording.values).toHaveSize(3);
    });
  });
});
