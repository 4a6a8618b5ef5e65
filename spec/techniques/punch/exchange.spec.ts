import { Socket } from 'node:net';
import { concat, defer, finalize, map, merge, NEVER, Observable, of, Subject, tap, throwError, timer } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { DialError } from '../../../lib/errors.js';
import type { Link } from '../../../lib/link/link.js';
import type { PunchPlan } from '../../../lib/techniques/punch/plan.js';
import type { ReceivedSignal, Signal, Signalling } from '../../../lib/signalling/signalling.js';
import { askSignal, readAsk } from '../../../lib/techniques/punch/messages.js';
import type { PunchContext } from '../../../lib/techniques/punch/context.js';
import { overSignal } from '../../../lib/techniques/asks.js';
import { dialByPunch } from '../../../lib/techniques/punch/dial.js';
import { answerPunches$ } from '../../../lib/techniques/punch/answer.js';
import type { Attempt } from '../../../lib/techniques/technique.js';
import type { PunchStep } from '../../../lib/techniques/punch/steps.js';
import { attemptOf, linkOf } from '../../support/attempts.js';
import { peerIdOf, unlOf, unlOfVersion2 } from '../../support/locators.js';
import { marbles, type Marbles } from '../../support/marbles.js';
import { record, type Recording } from '../../support/record.js';

/** A way between a node and its server, or between two nodes, in milliseconds. */
const ONE_WAY_MS = 40;

const [LESSER, GREATER] = [peerIdOf(1), peerIdOf(2)];

/** A node in a world of two, and what it did. */
interface TestNode {
  readonly peerId: string;
  readonly signalling: Signalling;
  readonly context: PunchContext;
  /** What comes to it. */
  readonly inbox: Subject<ReceivedSignal>;
  readonly sent: Signal[];
  readonly plans: { readonly at: number; readonly plan: PunchPlan }[];
  readonly roles: string[];
  readonly received: Link[];
  readonly steps: PunchStep[];
  /** Sides that are being held. */
  held: number;
}

interface World extends Marbles {
  readonly a: TestNode;
  readonly b: TestNode;
  /** `a` connects to `b`. */
  readonly connect: () => Recording<Link>;
  readonly attempt$: Observable<Link>;
}

interface Behaviour {
  readonly aKey?: string;
  readonly bKey?: string;
  /** What becomes of each of a node's punches, in their order; the last goes on. */
  readonly punches?: readonly ((scheduler: TestScheduler) => Observable<Socket>)[];
  readonly of?: (node: 'a' | 'b', scheduler: TestScheduler) => Partial<PunchContext>;
  readonly ofBoth?: (scheduler: TestScheduler, address: string) => Partial<PunchContext>;
  readonly isThere?: boolean;
  /** Where the carrier sees a node, when that is not where it is. */
  readonly seenAt?: (node: 'a' | 'b', scheduler: TestScheduler, address: string) => string | undefined;
  /** The address at which the receiver of its signals has seen it itself, on their network, if so. */
  readonly near?: (scheduler: TestScheduler) => string | undefined;
}

const opens = (scheduler: TestScheduler) => concat(timer(80, scheduler).pipe(map(() => new Socket())), NEVER);
const fails = (scheduler: TestScheduler) =>
  timer(100, scheduler).pipe(
    map(() => {
      throw new DialError('nothing opened');
    }),
  );

function world(behaviour: Behaviour, spec: (world: World) => void): void {
  const { aKey = GREATER, bKey = LESSER, punches = [opens], isThere = true } = behaviour;
  marbles((helpers) => {
    const { scheduler } = helpers;
    const nodeOf = (name: 'a' | 'b', peerId: string, address: string, other: () => TestNode): TestNode => {
      const inbox = new Subject<ReceivedSignal>();
      const node: TestNode = {
        peerId,
        inbox,
        sent: [],
        plans: [],
        roles: [],
        received: [],
        steps: [],
        held: 0,
        signalling: {
          signal$: inbox.asObservable(),
          send$: (to, signal) =>
            defer(() => {
              expect(to).toBe(other().peerId);
              node.sent.push(signal);
              const seenAt = behaviour.seenAt === undefined ? address : behaviour.seenAt(name, scheduler, address);
              const near = behaviour.near?.(scheduler);
              const seen = near === undefined ? { seenAt } : { seenAt: near, seenBy: '192.168.1.1' };
              if (isThere)
                scheduler.schedule(() => {
                  other().inbox.next({ ...signal, from: peerId, ...seen });
                }, 2 * ONE_WAY_MS);
              return timer(2 * ONE_WAY_MS, scheduler).pipe(map(() => (isThere ? 'delivered' : 'absent')));
            }),
        },
        context: {
          peerId,
          scheduler,
          families$: of([4]),
          side$: () =>
            defer(() => {
              node.held++;
              const port = 4000 + node.plans.length;
              const side = { natType: { type: 'preserving' }, address, ports: [port], localPorts: [port] } as const;
              return concat(of(side), NEVER).pipe(finalize(() => node.held--));
            }),
          roundTripMs: () => 2 * ONE_WAY_MS,
          options: () => ({ maxSockets: 100, random: () => 0 }),
          punch$: (plan) =>
            defer(() => {
              node.plans.push({ at: scheduler.now(), plan });
              return (punches[node.plans.length - 1] ?? punches.at(-1) ?? opens)(scheduler);
            }),
          secure$: (_socket, role) => {
            node.roles.push(role);
            return of(linkOf('simultaneous-open'));
          },
          receive$: (link) => {
            node.received.push(link);
            return of(undefined);
          },
          looksForItself: false,
          satisfied$: () => NEVER,
          mayRefuse: () => true,
          admits: () => true,
          hasRoomFor: () => true,
          tell: (step) => node.steps.push(step),
          ...behaviour.of?.(name, scheduler),
          ...behaviour.ofBoth?.(scheduler, address),
        },
      };
      return node;
    };
    const a: TestNode = nodeOf('a', aKey, '45.198.51.7', () => b);
    const b: TestNode = nodeOf('b', bKey, '45.203.113.9', () => a);
    const attempt = attemptOf(scheduler, {
      peer: unlOf({ peerId: bKey, endpoints: [{ kind: 'wan', address: '45.203.113.9', port: 4000 }] }),
      signalling: a.signalling,
    });
    const attempt$ = of(attempt).pipe(dialByPunch(a.context));
    record(answerPunches$(b.signalling, b.context));
    spec({ ...helpers, a, b, attempt$, connect: () => record(attempt$) });
  });
}

describe('the simultaneous open', () => {
  it('has both nodes send at the same moment, each where the other says it is', () => {
    world({}, ({ a, b, connect, flush }) => {
      connect();
      flush();
      const plansOf = ({ plans }: TestNode) =>
        plans.map(({ at, plan: { address, syns } }) => [address, syns.map((syn) => ({ ...syn, atMs: at + syn.atMs }))]);
      expect(plansOf(a)).toEqual([['45.203.113.9', [{ atMs: 160, localPort: 4000, remotePort: 4000 }]]]);
      expect(plansOf(b)).toEqual([['45.198.51.7', [{ atMs: 160, localPort: 4000, remotePort: 4000 }]]]);
    });
  });

  it('gives the link that the node that asked has chosen, as the TLS client, whichever key is greater', () => {
    for (const keys of [
      { aKey: LESSER, bKey: GREATER },
      { aKey: GREATER, bKey: LESSER },
    ]) {
      world(keys, ({ a, b, connect, flush }) => {
        const connecting = connect();
        flush();
        expect(connecting.values.map(({ technique }) => technique)).toEqual(['simultaneous-open']);
        expect(connecting.isCompleted).toBeTrue();
        expect([a.roles, b.roles]).toEqual([['client'], ['server']]);
        expect([a.received.length, b.received.length]).toEqual([0, 1]);
      });
    }
  });

  it('takes the first socket that proves the peer, and closes the others by unsubscribing', () => {
    let count = 0;
    const several = (scheduler: TestScheduler) => merge(opens(scheduler), opens(scheduler), opens(scheduler));
    const proofs = () => ({
      secure$: () => (++count === 1 ? throwError(() => new DialError('a stranger')) : of(linkOf(`link ${count}`))),
    });
    world({ punches: [several], of: (node) => (node === 'a' ? proofs() : {}) }, ({ connect, flush }) => {
      const { values } = connect();
      flush();
      expect(values.map(({ technique }) => technique)).toEqual(['link 2']);
    });
  });

  it('goes on for three rounds, each with fresh predictions', () => {
    world({ punches: [fails, fails, opens] }, ({ a, b, connect, flush }) => {
      const connecting = connect();
      flush();
      expect(connecting.values).toHaveSize(1);
      const asked = a.sent.map(({ body }) => body['round']);
      expect(asked).toEqual([0, 1, 2]);
      expect(b.plans.map(({ plan }) => plan.syns[0]?.remotePort)).toEqual([4000, 4001, 4002]);
    });
  });

  it('fails as the last round does', () => {
    world({ punches: [fails] }, ({ a, connect, flush }) => {
      const connecting = connect();
      flush();
      expect(connecting.error).toEqual(new DialError('nothing opened'));
      expect(a.sent).toHaveSize(3);
    });
  });

  it('asks no more than once a peer that refuses, or that is not there', () => {
    for (const [behaviour, message] of [
      [{ of: (node) => (node === 'b' ? { side$: () => throwError(() => new Error('lost')) } : {}) }, /to punch: lost/],
      [{ isThere: false }, /No signal reached the peer/],
    ] as const satisfies readonly (readonly [Behaviour, RegExp])[]) {
      world(behaviour, ({ a, b, connect, flush }) => {
        const connecting = connect();
        flush();
        expect(String(connecting.error)).toMatch(message);
        expect([a.sent.length, a.plans.length, b.plans.length]).toEqual([1, 0, 0]);
      });
    }
  });

  it('asks a peer that has too much to do again after a second each, but not for ever', () => {
    world({ of: () => ({ admits: () => false }) }, ({ a, b, connect, scheduler, flush }) => {
      const connecting = connect();
      flush();
      expect(String(connecting.error)).toMatch(/does not want to punch: not now/);
      expect([a.sent.length, a.plans.length, b.plans.length]).toEqual([12, 0, 0]);
      expect(scheduler.now()).toBeGreaterThanOrEqual(11_000);
    });
  });

  it('asks a peer again that is yet to see where this node is, and one that this node is yet to see', () => {
    for (const unseen of ['a', 'b'] as const) {
      const seenAt: Behaviour['seenAt'] = (node, scheduler, address) =>
        node === unseen && scheduler.now() < 1_500 ? undefined : address;
      world({ seenAt, ofBoth: () => ({ looksForItself: true }) }, ({ a, b, connect, flush }) => {
        const connecting = connect();
        flush();
        expect(connecting.error).toBeUndefined();
        expect(connecting.values).toHaveSize(1);
        expect(a.sent).toHaveSize(3);
        // Whoever sees the other agrees, and waits in vain for one that does not.
        expect(a.plans).toHaveSize(1);
        expect(b.plans.length).toBe(unseen === 'a' ? 1 : 3);
      });
    }
  });

  it('asks again where the two have seen each other on their own network alone, for others to show where they are', () => {
    const near: Behaviour['near'] = (scheduler) => (scheduler.now() < 1_500 ? '192.168.1.8' : undefined);
    world({ near }, ({ a, connect, flush }) => {
      const connecting = connect();
      flush();
      expect(connecting.error).toBeUndefined();
      expect(connecting.values).toHaveSize(1);
      expect(a.sent).toHaveSize(3);
    });
  });

  it('asks again where the peer is seen by another family of addresses, by each that both have in turn', () => {
    for (const unseen of ['a', 'b'] as const) {
      const seenAt: Behaviour['seenAt'] = (node, _scheduler, address) => (node === unseen ? '2a45:45::1' : address);
      world({ seenAt, of: () => ({ families$: of([4, 6]) }) }, ({ a, connect, flush }) => {
        const connecting = connect();
        flush();
        // The locator of the peer has IPv4 alone here.
        expect(a.sent).toHaveSize(3);
        expect(String(connecting.error)).toMatch(/seen by another family of addresses/);
      });
    }
  });

  it('fails at once where nobody ever shows where the other is', () => {
    for (const unseen of ['a', 'b'] as const) {
      const seenAt: Behaviour['seenAt'] = (node, _scheduler, address) => (node === unseen ? undefined : address);
      world({ seenAt }, ({ a, connect, flush }) => {
        const connecting = connect();
        flush();
        expect(String(connecting.error)).toMatch(/seen at no address/);
        expect([a.sent.length, a.plans.length]).toEqual([1, 0]);
      });
    }
  });

  it('waits with a plan of thousands of SYNs until no other is under way', () => {
    let isFree = false;
    const room = (node: 'a' | 'b') => (node === 'b' ? { hasRoomFor: () => isFree || !(isFree = true) } : {});
    world({ of: room }, ({ a, b, connect, flush }) => {
      const connecting = connect();
      flush();
      expect(connecting.error).toBeUndefined();
      expect([a.sent.length, b.plans.length]).toEqual([2, 1]);
    });
  });

  /** A side that is told at first, and another after some milliseconds, as a look shows that it was wrong. */
  const miscounting =
    (afterMs: number) =>
    (scheduler: TestScheduler, address: string): Partial<PunchContext> => ({
      side$: (_family, _addresses, { mayGuess }) => {
        const sideAt = (port: number) => ({
          natType: { type: 'delta', delta: 1 } as const,
          address,
          ports: [port],
          localPorts: [4000],
        });
        if (!mayGuess) return concat(of(sideAt(7000)), NEVER);
        return concat(of(sideAt(5000)), timer(afterMs, scheduler).pipe(map(() => sideAt(6000))), NEVER);
      },
    });

  it('asks anew, without a pause, when it finds that it has told wrong ports', () => {
    world({ ofBoth: miscounting(150), punches: [() => NEVER] }, ({ a, b, connect, flush, scheduler }) => {
      const { subscription } = connect();
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 400);
      flush();
      const told = a.sent.map(({ body }) => [body['round'], readAsk({ kind: 'punch-ask', body })?.side.ports]);
      expect(told).toEqual([
        [0, [5000]],
        [1, [6000]],
      ]);
      expect(b.plans.map(({ plan }) => plan.syns[0]?.remotePort)).toEqual([5000, 6000]);
    });
  });

  it('takes its answer back when that has told wrong ports, and is asked anew, and then nobody guesses', () => {
    const wrong = (node: 'a' | 'b', scheduler: TestScheduler) =>
      node === 'b' ? miscounting(90)(scheduler, '45.203.113.9') : {};
    world({ of: wrong, punches: [() => NEVER] }, ({ a, b, connect, flush, scheduler }) => {
      const { subscription } = connect();
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 600);
      flush();
      expect(a.sent.map(({ body }) => [body['round'], body['mayGuess']])).toEqual([
        [0, true],
        [1, false],
      ]);
      expect(a.plans.map(({ plan }) => plan.syns[0]?.remotePort)).toEqual([5000, 7000]);
      expect(b.steps.map(({ step }) => step)).toEqual(['planned', 'refused', 'planned']);
      expect(a.held).toBe(0);
    });
  });

  it('asks no more than once where nothing can be planned', () => {
    const random = { natType: { type: 'random' }, ports: [], localPorts: [4000] } as const;
    const addresses = { a: '45.198.51.7', b: '45.203.113.9' };
    const sides = (node: 'a' | 'b') => ({ side$: () => concat(of({ ...random, address: addresses[node] }), NEVER) });
    world({ of: sides }, ({ a, b, connect, flush }) => {
      const connecting = connect();
      flush();
      expect(String(connecting.error)).toMatch(/Both NATs give random ports/);
      expect([a.sent.length, b.sent.length, b.plans.length]).toEqual([1, 1, 0]);
    });
  });

  it('waits 5 s for an answer in each round', () => {
    world({ of: (node) => (node === 'b' ? { side$: () => NEVER } : {}) }, ({ expectObservable, attempt$ }) => {
      expectObservable(attempt$).toBe(
        '15s #',
        undefined,
        Object.assign(new Error('The peer did not answer within 5000 ms'), { name: 'TimeoutError', code: 'TIMEOUT' }),
      );
    });
  });

  it('sends nothing to a peer that says it is where it is not seen, whoever asks', () => {
    world(
      { seenAt: (node, _scheduler, address) => (node === 'b' ? '45.203.113.10' : address) },
      ({ a, connect, flush }) => {
        const connecting = connect();
        flush();
        expect(String(connecting.error)).toMatch(/says that it is at 45.203.113.9, but it is seen at 45.203.113.10/);
        expect(a.plans).toEqual([]);
      },
    );
    const victim = { natType: { type: 'preserving' }, address: '45.192.2.7', ports: [80], localPorts: [80] } as const;
    const lie = (node: 'a' | 'b') => (node === 'a' ? { side$: () => concat(of(victim), NEVER) } : {});
    world({ of: lie }, ({ b, connect, flush }) => {
      const connecting = connect();
      flush();
      expect(String(connecting.error)).toMatch(/does not want to punch/);
      expect(b.plans).toEqual([]);
    });
  });

  it('holds what its prediction rests on for as long as the round goes on, and no longer', () => {
    world({ punches: [() => NEVER] }, ({ a, attempt$, scheduler, flush }) => {
      const connecting = record(attempt$);
      scheduler.schedule(() => {
        expect(a.held).toBe(1);
        connecting.subscription.unsubscribe();
        expect(a.held).toBe(0);
      }, 500);
      flush();
    });
  });

  it('says what a node lacks that cannot punch, and asks nobody', () => {
    world({}, ({ a, scheduler }) => {
      const reasonFor = (fields: Partial<Attempt>, context?: PunchContext) =>
        String(record(of(attemptOf(scheduler, fields)).pipe(dialByPunch(context))).error);
      expect(reasonFor({})).toMatch(/no rendezvous servers .* name two of them by `rendezvous`/);
      expect(reasonFor({ own: unlOfVersion2() })).toMatch(/no key .* make it with `security: 'tls'`/);
      expect(reasonFor({ peer: unlOfVersion2() }, a.context)).toMatch(/has no key/);
      const unseen = { ...a.context, families$: of([]) };
      expect(reasonFor({}, unseen)).toMatch(/No rendezvous server has told yet .* see in `status\$`/);
      expect(reasonFor({}, { ...a.context, families$: of([6]) })).toMatch(/by no common family of addresses/);
      expect(a.sent).toEqual([]);
    });
  });

  it('tells that the punch is over before it gives the link, whichever side made it', () => {
    const report = { sent: 1, refused: 0, opened: 1, accepted: 0, elapsedMs: 80, reasons: [] };
    const events: string[] = [];
    const telling = (name: 'a' | 'b', scheduler: TestScheduler): Partial<PunchContext> => ({
      punch$: (_plan, tell) =>
        opens(scheduler).pipe(
          finalize(() => {
            tell(report);
          }),
        ),
      tell: ({ step }) => events.push(`${name} ${step}`),
      satisfied$: () => NEVER.pipe(finalize(() => events.push(`${name} has its link`))),
    });
    world({ of: telling }, ({ attempt$, flush }) => {
      record(attempt$.pipe(tap(() => events.push('a has its link'))));
      flush();
      const of = (name: string) => events.filter((event) => event.startsWith(name));
      expect(of('a')).toEqual(['a asked', 'a planned', 'a over', 'a has its link']);
      expect(of('b')).toEqual(['b planned', 'b over', 'b has its link']);
    });
  });

  it('traces each of its steps', () => {
    world({ punches: [fails, opens] }, ({ a, b, connect, flush }) => {
      connect();
      flush();
      const story = ({ steps }: TestNode) => steps.map(({ by, round, step }) => `${by} ${round} ${step}`);
      expect(story(a)).toEqual(['us 0 asked', 'us 0 planned', 'us 1 asked', 'us 1 planned']);
      expect(story(b)).toEqual(['peer 0 planned', 'peer 1 planned']);
    });
  });
});

describe('a node that is asked to punch', () => {
  const ask = (attempt: string, round = 0, address = '45.198.51.7') =>
    askSignal({
      attempt,
      round,
      roundTripMs: 80,
      mayGuess: true,
      side: { natType: { type: 'preserving' }, address, ports: [4000] },
    });

  it('gives up a round when the same peer asks anew', () => {
    world({ punches: [() => NEVER] }, ({ b, a, flush }) => {
      b.inbox.next({ ...ask('one'), from: a.peerId, seenAt: '45.198.51.7' });
      expect(b.held).toBe(1);
      b.inbox.next({ ...ask('one', 1), from: a.peerId, seenAt: '45.198.51.7' });
      expect([b.held, b.plans.length]).toEqual([1, 2]);
      flush();
    });
  });

  it('ends the round, and what it sends, when a connection to the peer has come in another way', () => {
    const arrivals = new Subject<undefined>();
    const satisfied$ = (peerId: string) => (peerId === GREATER ? arrivals : NEVER);
    world({ punches: [() => NEVER], of: () => ({ satisfied$ }) }, ({ b, a, flush }) => {
      const other = peerIdOf(3);
      b.inbox.next({ ...ask('one'), from: a.peerId, seenAt: '45.198.51.7' });
      record(
        answerPunches$(
          { signal$: of({ ...ask('two'), from: other, seenAt: '45.198.51.7' }), send$: () => NEVER },
          b.context,
        ),
      );
      expect(b.held).toBe(2);
      arrivals.next(undefined);
      expect(b.held).withContext('what another peer asked for goes on').toBe(1);
      flush();
    });
  });

  it('ends the round when the peer takes it back', () => {
    world({ punches: [() => NEVER] }, ({ b, a, flush }) => {
      b.inbox.next({ ...ask('one'), from: a.peerId, seenAt: '45.198.51.7' });
      expect(b.held).toBe(1);
      b.inbox.next({ ...overSignal('one'), from: peerIdOf(3), seenAt: undefined });
      expect(b.held).withContext('nobody takes back what another has asked').toBe(1);
      b.inbox.next({ ...overSignal('one'), from: a.peerId, seenAt: undefined });
      expect(b.held).toBe(0);
      flush();
    });
  });

  it('answers as long after its own way to the server by the family of the punch as that takes', () => {
    const roundTripMs = (family: 4 | 6) => (family === 4 ? 100 : 9_000);
    world({ punches: [() => NEVER], of: () => ({ roundTripMs }) }, ({ b, a, flush }) => {
      b.inbox.next({ ...ask('one'), from: a.peerId, seenAt: '45.198.51.7' });
      expect(b.plans.map(({ plan }) => plan.syns[0]?.atMs)).toEqual([(100 + 80) / 2]);
      flush();
    });
  });

  it('answers 32 peers at once, 16 of them at one address; others of those give way to peers at a third, until all have as many', () => {
    world({ punches: [() => NEVER] }, ({ b }) => {
      const signalling: Signalling = { signal$: b.inbox, send$: () => NEVER };
      const { plans, context } = b;
      plans.length = 0;
      const others = new Subject<ReceivedSignal>();
      record(answerPunches$({ ...signalling, signal$: others }, context));
      for (let i = 0; i < 60; i++) {
        const seenAt = `45.198.51.${7 + Math.floor(i / 20)}`;
        others.next({ ...ask('one', 0, seenAt), from: peerIdOf(100 + i), seenAt });
      }
      const addresses = plans.map(({ plan }) => plan.address);
      expect(addresses.filter((address) => address === '45.198.51.7')).toHaveSize(16);
      expect(addresses.filter((address) => address === '45.198.51.8')).toHaveSize(16);
      expect(addresses.filter((address) => address === '45.198.51.9')).toHaveSize(10);
    });
  });

  it('ignores other signals, and goes on after any', () => {
    world({ punches: [fails, opens] }, ({ a, b, flush }) => {
      b.inbox.next({ kind: 'punch-ask', body: {}, from: a.peerId, seenAt: '45.198.51.7' });
      b.inbox.next({ kind: 'chat', body: {}, from: a.peerId, seenAt: '45.198.51.7' });
      expect(b.plans).toEqual([]);
      b.inbox.next({ ...ask('one'), from: a.peerId, seenAt: '45.198.51.7' });
      flush();
      b.inbox.next({ ...ask('two'), from: a.peerId, seenAt: '45.198.51.7' });
      expect(b.plans).toHaveSize(2);
    });
  });
});
