import { Socket } from 'node:net';
import { concat, defer, finalize, map, NEVER, of, Subject, timer, type Observable } from 'rxjs';
import type { ReceivedSignal, Signal } from '../../../lib/signalling/signalling.js';
import type { Arrival } from '../../../lib/techniques/turn/allocation.js';
import { answerTurns$ } from '../../../lib/techniques/turn/answer.js';
import type { TurnContext } from '../../../lib/techniques/turn/context.js';
import { dialByTurn } from '../../../lib/techniques/turn/dial.js';
import { askSignal, readReply, replySignal } from '../../../lib/techniques/turn/messages.js';
import { attemptOf, linkOf } from '../../support/attempts.js';
import { peerIdOf, unlOf } from '../../support/locators.js';
import { marbles, type Marbles } from '../../support/marbles.js';
import { record } from '../../support/record.js';

const [ALICE, BOB] = [peerIdOf(1), peerIdOf(2)];
const ALICE_AT = '45.198.51.7';
/** Where Alice's server listens for Bob, and Bob's for Alice. */
const [AT_ALICES, AT_BOBS] = ['45.45.1.1', '45.45.1.2'].map((address) => ({ address, port: 50_000 }));
const SERVER = { host: 'turn.example.org', port: 3478, credentials: () => ({ username: 'a', credential: 'b' }) };

interface World extends Marbles {
  readonly context: TurnContext;
  readonly signals: Subject<ReceivedSignal>;
  readonly sent: Signal[];
  /** Who dials the allocation of this node. */
  readonly arrivals: Subject<Arrival>;
  readonly dialled: string[];
  readonly saw: (readonly [string, string])[];
  /** How many allocations are held. */
  readonly held: () => number;
  readonly send$: (to: string, signal: Signal) => Observable<'delivered'>;
}

/** A node whose TURN server listens for it at an endpoint. */
function world(given: Partial<TurnContext>, spec: (world: World) => void): void {
  marbles((helpers) => {
    const { scheduler } = helpers;
    const sent: Signal[] = [];
    const arrivals = new Subject<Arrival>();
    const dialled: string[] = [];
    const saw: (readonly [string, string])[] = [];
    let held = 0;
    const context: TurnContext = {
      servers: [SERVER],
      allocate$: () =>
        defer(() => {
          held++;
          const relayed = AT_BOBS ?? { address: '', port: 0 };
          return concat(
            of({ relayed, permit$: () => of(undefined), arrival$: arrivals, connect$: () => NEVER }),
            NEVER,
          ).pipe(finalize(() => held--));
        }),
      dial$: ({ address, port }) => {
        dialled.push(`${address}:${port}`);
        return timer(5, scheduler).pipe(map(() => new Socket()));
      },
      secure$: () => timer(5, scheduler).pipe(map(() => ({ ...linkOf('turn'), direct: false }))),
      receive$: () => of(undefined),
      own: () => unlOf({ peerId: BOB, endpoints: [{ kind: 'wan', address: '45.203.113.9', port: 4000 }] }),
      knows: () => false,
      saw: (...sighting) => saw.push(sighting),
      admits: () => true,
      mayRefuse: () => true,
      scheduler,
      ...given,
    };
    spec({
      ...helpers,
      context,
      signals: new Subject(),
      sent,
      arrivals,
      dialled,
      saw,
      held: () => held,
      send$: (_to, signal) => {
        sent.push(signal);
        return of('delivered');
      },
    });
  });
}

describe('a node that is asked to come to the TURN server of another', () => {
  const ask = askSignal({ attempt: 'one', from: [ALICE_AT], at: AT_ALICES });

  it('has its own listen, too, where no carrier shows it where the other is, to see it there', () => {
    world({}, ({ context, signals, sent, send$, arrivals, dialled, saw, held, scheduler, flush }) => {
      record(answerTurns$({ signal$: signals, send$ }, context));
      signals.next({ ...ask, from: ALICE, seenAt: undefined });
      expect(dialled).toEqual(['45.45.1.1:50000']);
      expect(sent.map((signal) => readReply(signal)).map((reply) => reply && 'at' in reply && reply.at)).toEqual(
        jasmine.arrayWithExactContents([undefined, AT_BOBS]),
      );
      expect(held()).toBe(1);
      scheduler.schedule(() => {
        arrivals.next({ socket: new Socket(), seenAt: ALICE_AT });
      }, 100);
      flush();
      expect(saw).toEqual([[ALICE, ALICE_AT]]);
      expect(held()).toBe(0);
    });
  });

  it('gives its allocation back when the other does not come there', () => {
    world({}, ({ context, signals, send$, saw, held, flush }) => {
      record(answerTurns$({ signal$: signals, send$ }, context));
      signals.next({ ...ask, from: ALICE, seenAt: undefined });
      expect(held()).toBe(1);
      flush();
      expect([saw, held()]).toEqual([[], 0]);
    });
  });

  it('only comes where it is shown where the other is, or has no server', () => {
    for (const [given, seenAt] of [
      [{}, ALICE_AT],
      [{ servers: [] }, undefined],
    ] as const)
      world(given, ({ context, signals, sent, send$, dialled, held }) => {
        record(answerTurns$({ signal$: signals, send$ }, context));
        signals.next({ ...ask, from: ALICE, seenAt });
        expect([dialled.length, sent.length, held()]).toEqual([1, 1, 0]);
      });
  });
});

describe('a node whose TURN server listens for a peer', () => {
  const bob = unlOf({ peerId: BOB, endpoints: [{ kind: 'wan', address: '45.203.113.9', port: 4000 }] });

  it('shows itself at the server of the peer, too, where the peer names one, and nowhere that it does not dial', () => {
    for (const [at, isDialled] of [
      [{ address: '45.45.1.9', port: 50_000 }, true],
      [{ address: '45.45.1.9', port: 22 }, false],
      [{ address: '192.168.1.1', port: 50_000 }, false],
    ] as const)
      world({}, ({ context, signals, send$, arrivals, dialled, saw, scheduler, flush }) => {
        const attempt = attemptOf(scheduler, { peer: bob, signalling: { signal$: signals, send$ } });
        const recording = record(of(attempt).pipe(dialByTurn(context)));
        scheduler.schedule(() => {
          arrivals.next({ socket: new Socket(), seenAt: '45.203.113.9' });
        }, 100);
        scheduler.schedule(() => {
          const reply = replySignal({ attempt: 'attempt', from: [], at });
          for (let count = 0; count < 2; count++) signals.next({ ...reply, from: BOB, seenAt: undefined });
        }, 200);
        flush();
        expect(recording.values).toHaveSize(1);
        expect(saw).toEqual([[BOB, '45.203.113.9']]);
        expect(dialled).toEqual(isDialled ? ['45.45.1.9:50000'] : []);
      });
  });
});
