import { Socket } from 'node:net';
import { concat, defer, finalize, map, NEVER, of, Subject, tap, timer, type Observable } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { DialError, TimeoutError } from '../../lib/errors.js';
import type { Link } from '../../lib/link/link.js';
import type { PunchPlan } from '../../lib/techniques/punch/plan.js';
import type { ChallengeReply, ChallengeRequest, ChallengeTalk } from '../../lib/pyp2p/dialect.js';
import { answerChallenges$ } from '../../lib/pyp2p/challenge-answer.js';
import { dialByChallenge } from '../../lib/pyp2p/challenge-dial.js';
import type { ChallengeContext } from '../../lib/pyp2p/challenge-context.js';
import type { PunchStep } from '../../lib/techniques/punch/steps.js';
import type { UnlV2 } from '../../lib/pyp2p/wire/unl-version-2.js';
import type { NatType } from '../../lib/unl/types.js';
import { attemptOf, linkOf } from '../support/attempts.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';
import { marbles, type Marbles } from '../support/marbles.js';
import { record, type Recording } from '../support/record.js';

const OURS = '45.198.51.7';
const THEIRS = '45.203.113.9';

/** The time of day when the virtual clock is at 0, in seconds. */
const EPOCH_S = 1_700_000_000;

/** A node, what it says to its server, and what it does. */
interface World extends Marbles {
  readonly context: ChallengeContext;
  /** What the server says. */
  readonly reply$: Subject<ChallengeReply>;
  readonly said: (ChallengeRequest & { readonly at: number })[];
  readonly plans: (PunchPlan & { readonly at: number })[];
  readonly received: Socket[];
  readonly steps: PunchStep[];
  /** Sides that are being held. */
  readonly held: () => number;
  readonly dial: (peer?: Partial<UnlV2>) => Recording<Link>;
  readonly answer: () => Recording<never>;
  /** Has the server say something after some milliseconds. */
  readonly serverSays: (atMs: number, ...replies: readonly ChallengeReply[]) => void;
}

interface Behaviour {
  readonly natType?: NatType;
  /** What becomes of each of the punches in their order; the last goes on. */
  readonly punches?: readonly ((scheduler: TestScheduler) => Observable<Socket>)[];
  readonly of?: Partial<ChallengeContext>;
}

const after = (ms: number) => (scheduler: TestScheduler) =>
  concat(timer(ms, scheduler).pipe(map(() => new Socket())), NEVER);
const fails = (scheduler: TestScheduler) =>
  timer(100, scheduler).pipe(
    map(() => {
      throw new DialError('nothing opened');
    }),
  );
const never = () => NEVER;

function world(
  { natType = { type: 'preserving' }, punches = [after(80)], of: rest }: Behaviour,
  spec: (world: World) => void,
) {
  marbles((helpers) => {
    const { scheduler } = helpers;
    const [reply$, said, plans] = [new Subject<ChallengeReply>(), [] as World['said'], [] as World['plans']];
    const [received, steps]: [Socket[], PunchStep[]] = [[], []];
    let held = 0;
    let asked = 0;
    const talk: ChallengeTalk = {
      reply$,
      send: (request) => said.push({ ...request, at: scheduler.now() }),
    };
    const context: ChallengeContext = {
      side$: () =>
        defer(() => {
          held++;
          const port = 4000 + 10 * asked++;
          const localPorts = Array.from({ length: 8 }, (_, i) => port + i);
          const ports = natType.type === 'delta' ? localPorts.map((local) => local + 5000) : [port];
          return concat(of({ natType, address: OURS, ports, localPorts }), NEVER).pipe(finalize(() => held--));
        }),
      options: () => ({ maxSockets: 100, random: () => 0 }),
      punch$: (plan) =>
        defer(() => {
          plans.push({ ...plan, at: scheduler.now() });
          return (punches[plans.length - 1] ?? punches.at(-1) ?? never)(scheduler);
        }),
      tell: (step) => steps.push(step),
      talks$: of([talk]),
      timeOfDay: () => EPOCH_S * 1000 + scheduler.now(),
      scheduler,
      greet: () => undefined,
      link: () => linkOf('challenge'),
      receive$: (socket) => of(socket).pipe(tap(() => received.push(socket))),
      hasSlotFor: () => true,
      ...rest,
    };
    spec({
      ...helpers,
      context,
      reply$,
      said,
      plans,
      received,
      steps,
      held: () => held,
      dial: (peer) => {
        const unl = unlOfVersion2({ nodeType: 'simultaneous', wan: THEIRS, ...peer });
        return record(of(attemptOf(scheduler, { peer: unl })).pipe(dialByChallenge(context)));
      },
      answer: () => record(answerChallenges$(context, 50_500, 10)),
      serverSays: (atMs, ...replies) => {
        scheduler.schedule(() => {
          for (const reply of replies) reply$.next(reply);
        }, atMs);
      },
    });
  });
}

const SET = { verb: 'PREDICTION SET' } as const;
const fightAt = (
  ntp: number,
  address = THEIRS,
  ports: readonly number[] = [7000, 7001, 7002, 7003],
): ChallengeReply => ({
  verb: 'FIGHT',
  address,
  ports,
  ntp,
});
const challengeOf = (address = THEIRS, ports: readonly number[] = [7000, 7001, 7002, 7003]): ChallengeReply => ({
  verb: 'CHALLENGE',
  address,
  ports,
});
const synsOf = (plans: World['plans']) =>
  plans.flatMap(({ at, address, syns }) =>
    syns.map(({ atMs, localPort, remotePort }) => [at + atMs, localPort, `${address}:${remotePort}`]),
  );

describe('the challenge', () => {
  it('tells the server four ports, and punches from each to its counterpart 6 s after the time that the peer tells', () => {
    world({}, ({ dial, said, plans, serverSays, flush }) => {
      const { values } = dial();
      serverSays(80, SET);
      serverSays(160, fightAt(EPOCH_S + 0.12));
      flush();
      expect(said).toEqual([{ verb: 'CANDIDATE', address: THEIRS, ports: [4000, 4001, 4002, 4003], at: 0 }]);
      expect(synsOf(plans)).toEqual([0, 1, 2, 3].map((i) => [6120, 4000 + i, `${THEIRS}:${7000 + i}`]));
      expect(values).toHaveSize(1);
    });
  });

  it('waits as long as the peer wishes, but neither for the past nor for more than PyP2P’s 6 s', () => {
    for (const [ntp, delayMs] of [
      [EPOCH_S - 3, 3000],
      [EPOCH_S - 600, 0],
      [EPOCH_S + 600, 6000],
    ] as const) {
      world({}, ({ dial, plans, serverSays, flush }) => {
        dial();
        serverSays(0, SET, fightAt(ntp));
        flush();
        expect(plans.map(({ syns }) => syns[0]?.atMs)).toEqual([delayMs, delayMs, delayMs, delayMs]);
      });
    }
  });

  /** A socket that opens after some milliseconds, and to which something happens after some more. */
  interface Hole {
    readonly atMs: number;
    readonly closesAtMs?: number;
    readonly speaksAtMs?: number;
  }

  /** Dials with punches that make these holes; `undefined` is a punch that fails, `'pending'` one that goes on. */
  function dialled(holes: readonly (Hole | 'pending' | undefined)[]) {
    const sockets = holes.map(() => new Socket());
    const greeted: Socket[] = [];
    let taken: number | undefined;
    let error: unknown;
    let atMs = 0;
    let over: string[] = [];
    const punches = holes.map((hole, index) => (scheduler: TestScheduler) => {
      if (hole === undefined) return fails(scheduler);
      if (hole === 'pending') return NEVER;
      const socket = sockets[index] ?? new Socket();
      const later = (ms: number | undefined, action: () => void) => {
        if (ms !== undefined) scheduler.schedule(action, ms);
      };
      later(hole.closesAtMs, () => socket.emit('end'));
      later(hole.speaksAtMs, () => socket.emit('data', Buffer.from('hello\r\n')));
      return concat(timer(hole.atMs, scheduler).pipe(map(() => socket)), NEVER);
    });
    const of = {
      greet: (socket: Socket) => greeted.push(socket),
      link: (socket: Socket) => {
        taken = sockets.indexOf(socket);
        return linkOf('challenge');
      },
    };
    world({ punches, of }, ({ dial, serverSays, scheduler, held, flush }) => {
      const recording = dial();
      recording.subscription.add(() => (atMs = scheduler.now()));
      serverSays(0, SET, fightAt(EPOCH_S - 6));
      // Later rounds are none of these specs'.
      scheduler.schedule(() => {
        error = recording.error;
        recording.subscription.unsubscribe();
      }, 9_000);
      flush();
      over = sockets.map((socket) => (socket.destroyed ? 'closed' : 'open'));
      expect(held()).toBe(0);
    });
    return { taken, atMs, greeted: greeted.map((socket) => sockets.indexOf(socket)), over, error };
  }

  it('sends the nonce on every socket that opens, and takes the one that the peer does not close', () => {
    const closed = { closesAtMs: 120 };
    const { taken, atMs, greeted, over } = dialled([
      { atMs: 80, ...closed },
      { atMs: 81, ...closed },
      { atMs: 90 },
      { atMs: 85, ...closed },
    ]);
    expect(greeted).toEqual([0, 1, 3, 2]);
    expect([taken, atMs]).toEqual([2, 320]);
    expect(over).toEqual(['closed', 'closed', 'open', 'closed']);
  });

  it('takes the socket on which the peer says something, at once', () => {
    const { taken, atMs, over } = dialled([{ atMs: 80 }, { atMs: 80, speaksAtMs: 130 }, { atMs: 80 }, 'pending']);
    expect([taken, atMs]).toEqual([1, 130]);
    expect(over.slice(0, 3)).toEqual(['closed', 'open', 'closed']);
  });

  it('takes the only one that opens as soon as no other can', () => {
    expect(dialled([undefined, undefined, { atMs: 80 }, undefined])).toEqual(
      jasmine.objectContaining({ taken: 2, atMs: 100 }),
    );
  });

  it('waits for the punches that are under way: the socket that opened may lie in a queue of the peer', () => {
    const { taken, atMs } = dialled([{ atMs: 80, closesAtMs: 2_500 }, { atMs: 2_000 }, undefined, undefined]);
    expect([taken, atMs]).toEqual([1, 2_700]);
  });

  it('takes the first of several that the peer keeps, when nothing has changed for a second', () => {
    const { taken, atMs } = dialled([{ atMs: 90 }, { atMs: 80 }, { atMs: 85 }, { atMs: 300, closesAtMs: 400 }]);
    expect([taken, atMs]).toEqual([1, 1_400]);
  });

  it('does not wait for punches that are under way once the peer has closed a socket', () => {
    const { taken, atMs } = dialled([{ atMs: 80 }, { atMs: 80, closesAtMs: 120 }, 'pending', 'pending']);
    expect([taken, atMs]).toEqual([0, 320]);
  });

  it('takes none that the peer has closed: the next round begins', () => {
    const all = dialled([1, 2, 3, 4].map((atMs) => ({ atMs, closesAtMs: 50 })));
    expect(all.taken).toBeUndefined();
    expect(all.over).toEqual(['closed', 'closed', 'closed', 'closed']);
  });

  it('goes on for three rounds, each with fresh predictions', () => {
    world({ punches: [fails] }, ({ dial, said, reply$, scheduler, plans, flush }) => {
      const recording = dial();
      for (const atMs of [0, 1000, 2000]) {
        scheduler.schedule(() => {
          reply$.next(SET);
          reply$.next(fightAt(EPOCH_S - 6));
        }, atMs);
      }
      flush();
      expect(recording.error).toBeInstanceOf(AggregateError);
      expect(said.map((request) => request.verb === 'CANDIDATE' && request.ports[0])).toEqual([4000, 4010, 4020]);
      expect(plans).toHaveSize(12);
    });
  });

  it('sends only to the address in the locator, whatever the server says', () => {
    world({}, ({ dial, said, plans, serverSays, flush }) => {
      const recording = dial();
      for (const atMs of [0, 11_000, 22_000]) serverSays(atMs, SET, fightAt(EPOCH_S, '45.192.2.99'), challengeOf());
      flush();
      expect(plans).toEqual([]);
      expect(said).toHaveSize(3);
      expect(recording.error).toBeInstanceOf(TimeoutError);
    });
  });

  it('fails at once when it cannot succeed', () => {
    const failing = (behaviour: Behaviour, peer: Partial<UnlV2> = {}) => {
      let failure: unknown;
      world(behaviour, ({ dial, said, flush }) => {
        const recording = dial(peer);
        flush();
        failure = recording.error;
        expect(said).toEqual([]);
      });
      return failure;
    };
    expect(failing({ natType: { type: 'random' } })).toBeInstanceOf(DialError);
    expect(failing({ natType: { type: 'unknown' } })).toBeInstanceOf(DialError);
    for (const wan of ['192.168.1.1', '127.0.0.1', '0.0.0.0', '169.254.0.1', '224.0.0.1']) {
      expect(failing({}, { wan })).toBeInstanceOf(DialError);
    }
    marbles(({ scheduler, flush }) => {
      const ofPeer = (peer: UnlV2 | ReturnType<typeof unlOf>) =>
        record(of(attemptOf(scheduler, { peer })).pipe(dialByChallenge(undefined)));
      const recordings = [ofPeer(unlOfVersion2()), ofPeer(unlOf())];
      flush();
      for (const { error } of recordings) expect(error).toBeInstanceOf(DialError);
    });
  });

  it('does not ask again for a node that no server knows', () => {
    world({}, ({ dial, said, scheduler, flush }) => {
      const recording = dial();
      flush();
      expect(recording.error).toEqual(jasmine.objectContaining({ message: jasmine.stringMatching(/none of our/) }));
      expect([said.length, scheduler.now() >= 5000]).toEqual([1, true]);
    });
  });

  it('tells a delta NAT’s next ports, in their order', () => {
    world({ natType: { type: 'delta', delta: 1 } }, ({ dial, said, plans, serverSays, flush }) => {
      dial();
      serverSays(0, SET, fightAt(EPOCH_S - 6, THEIRS, [7000]));
      flush();
      expect(said).toEqual([jasmine.objectContaining({ ports: [9000, 9001, 9002, 9003] })]);
      expect(synsOf(plans)).toEqual([[0, 4000, `${THEIRS}:7000`]]);
    });
  });
});

describe('a node that waits for challenges', () => {
  it('is listed at intervals and when the server asks for it, and is taken off the list at the end', () => {
    world({}, ({ answer, said, serverSays, scheduler, flush }) => {
      const { subscription } = answer();
      serverSays(10_000, { verb: 'RECONNECT' });
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 60_000);
      flush();
      const listed = { verb: 'SIMULTANEOUS', port: 50_500, maxInbound: 10 } as const;
      const times = [0, 10_000, 25_000, 50_000];
      expect(said).toEqual([...times.map((at) => ({ ...listed, at })), { verb: 'CLEAR' as const, at: 60_000 }]);
    });
  });

  it('accepts one with fresh ports, for a moment that is 3 s away when 6 s are added to what it tells', () => {
    world({}, ({ answer, said, plans, received, serverSays, scheduler, flush, held }) => {
      const { subscription } = answer();
      serverSays(1000, challengeOf());
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 20_000);
      flush();
      const accept = said.find(({ verb }) => verb === 'ACCEPT');
      const ports = [4000, 4001, 4002, 4003];
      expect(accept).toEqual({ verb: 'ACCEPT', address: THEIRS, ports, ntp: EPOCH_S + 1 + 3 - 6, at: 1000 });
      expect(synsOf(plans)).toEqual(ports.map((port, i) => [4000, port, `${THEIRS}:${7000 + i}`]));
      expect([received.length, held()]).toEqual([1, 0]);
    });
  });

  it('takes the socket that the peer chose, whichever opened first', () => {
    const chosen = new Socket();
    const closed: Socket[] = [];
    const receive$ = (socket: Socket) =>
      socket === chosen ? of(socket) : NEVER.pipe(finalize(() => closed.push(socket)));
    const choose = (scheduler: TestScheduler) => concat(timer(90, scheduler).pipe(map(() => chosen)), NEVER);
    world({ punches: [after(80), after(80), choose], of: { receive$ } }, ({ answer, serverSays, scheduler, flush }) => {
      const { subscription } = answer();
      serverSays(0, challengeOf());
      scheduler.schedule(() => {
        expect(closed).toHaveSize(2);
        subscription.unsubscribe();
      }, 20_000);
      flush();
    });
  });

  /** The addresses that were answered, when these challenges came at these times. */
  function answered(comings: readonly (readonly [atMs: number, reply: ChallengeReply])[], behaviour: Behaviour = {}) {
    const addresses: string[] = [];
    world(behaviour, ({ answer, said, plans, serverSays, scheduler, flush }) => {
      const { subscription } = answer();
      for (const [atMs, reply] of comings) serverSays(atMs, reply);
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 100_000);
      flush();
      addresses.push(...said.flatMap((request) => (request.verb === 'ACCEPT' ? request.address : [])));
      expect(new Set(plans.map(({ address }) => address))).toEqual(new Set(addresses));
    });
    return addresses;
  }

  it('punches to public IPv4 addresses only', () => {
    const others = ['192.168.1.1', '10.0.0.1', '100.64.0.1', '127.0.0.1', '169.254.1.1', '224.0.0.1', '0.0.0.0'];
    expect(answered([...others, '2a00:db8::1'].map((address) => [0, challengeOf(address)] as const))).toEqual([]);
  });

  it('punches to four addresses at once, and to each once at a time with a pause behind', () => {
    const many = Array.from({ length: 9 }, (_, i) => `45.203.113.${i + 1}`);
    expect(answered(many.map((address) => [0, challengeOf(address)] as const))).toEqual(many.slice(0, 4));
    const again = (atMs: number) => [atMs, challengeOf(THEIRS, [atMs + 2000])] as const;
    // A round that succeeds takes 3080 ms here, and the pause 2000.
    expect(answered([0, 1000, 3100, 5070, 5090].map(again))).toEqual([THEIRS, THEIRS]);
  });

  it('answers a copy of a challenge no more', () => {
    const copy = challengeOf();
    expect(answered([0, 10_000, 50_000].map((atMs) => [atMs, copy] as const))).toEqual([THEIRS]);
  });

  it('answers none while all slots are taken, or if its own ports cannot be predicted', () => {
    expect(answered([[0, challengeOf()]], { of: { hasSlotFor: () => false } })).toEqual([]);
    expect(answered([[0, challengeOf()]], { natType: { type: 'random' } })).toEqual([]);
  });

  it('goes on after one that fails', () => {
    const others = [challengeOf('45.203.113.1'), challengeOf('45.203.113.2')] as const;
    const comings = [[0, others[0]] as const, [20_000, others[1]] as const];
    expect(answered(comings, { punches: [fails, fails, fails, fails, after(80)] })).toHaveSize(2);
  });
});
