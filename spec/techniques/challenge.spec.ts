import { Socket } from 'node:net';
import { concat, defer, finalize, map, NEVER, of, Subject, tap, timer, type Observable } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { DialError, TimeoutError } from '../../lib/errors.js';
import type { Link } from '../../lib/link/link.js';
import type { PunchPlan } from '../../lib/nat/punch-plan.js';
import type { ChallengeReply, ChallengeRequest, ChallengeTalk } from '../../lib/rendezvous/session.js';
import { answerChallenges$, challenge } from '../../lib/techniques/challenge.js';
import type { Challenging } from '../../lib/techniques/challenging.js';
import type { PunchStep } from '../../lib/trace.js';
import type { NatType, UnlV2 } from '../../lib/unl/types.js';
import { attemptOf, linkOf } from '../support/attempts.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';
import { marbles, type Marbles } from '../support/marbles.js';
import { record, type Recording } from '../support/record.js';

const OURS = '198.51.100.7';
const THEIRS = '203.0.113.9';

/** The time of day when the virtual clock is at 0, in seconds. */
const EPOCH_S = 1_700_000_000;

/** A node, what it says to its server, and what it does. */
interface World extends Marbles {
  readonly challenging: Challenging;
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
  readonly of?: Partial<Challenging>;
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
    const challenging: Challenging = {
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
      link: () => linkOf('challenge'),
      receive$: (socket) => of(socket).pipe(tap(() => received.push(socket))),
      hasSlot: () => true,
      ...rest,
    };
    spec({
      ...helpers,
      challenging,
      reply$,
      said,
      plans,
      received,
      steps,
      held: () => held,
      dial: (peer) => {
        const unl = unlOfVersion2({ nodeType: 'simultaneous', wan: THEIRS, ...peer });
        return record(of(attemptOf(scheduler, { peer: unl, challenging })).pipe(challenge.dial));
      },
      answer: () => record(answerChallenges$(challenging, 50_500, 10)),
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

  it('takes the first socket that opens, gives the other punches up, and lets go of its mappings', () => {
    const first = new Socket();
    const slow = new Subject<Socket>();
    const quick = (scheduler: TestScheduler) => concat(timer(80, scheduler).pipe(map(() => first)), NEVER);
    const taken: Socket[] = [];
    const link = (socket: Socket) => {
      taken.push(socket);
      return linkOf('challenge');
    };
    world({ punches: [() => slow, quick, () => slow], of: { link } }, ({ dial, serverSays, held, flush }) => {
      const { values, isCompleted } = ((recording) => (serverSays(0, SET, fightAt(EPOCH_S)), flush(), recording))(
        dial(),
      );
      expect([values.length, isCompleted, slow.observed, held()]).toEqual([1, true, false, 0]);
      expect(taken).toEqual([first]);
    });
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

  it('goes nowhere but to the address in the locator, whatever the server says', () => {
    world({}, ({ dial, said, plans, serverSays, flush }) => {
      const recording = dial();
      for (const atMs of [0, 11_000, 22_000]) serverSays(atMs, SET, fightAt(EPOCH_S, '192.0.2.99'), challengeOf());
      flush();
      expect(plans).toEqual([]);
      expect(said).toHaveSize(3);
      expect(recording.error).toBeInstanceOf(TimeoutError);
    });
  });

  it('fails at once where it can only fail', () => {
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
        record(of(attemptOf(scheduler, { peer })).pipe(challenge.dial));
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
  it('is listed, again and again, and when the server asks for it; and no more when it waits no more', () => {
    world({}, ({ answer, said, serverSays, scheduler, flush }) => {
      const { subscription } = answer();
      serverSays(10_000, { verb: 'RECONNECT' });
      scheduler.schedule(() => {
        subscription.unsubscribe();
      }, 60_000);
      flush();
      const listed = { verb: 'SIMULTANEOUS', port: 50_500, maxInbound: 10 } as const;
      const times = [0, 10_000, 25_000, 50_000];
      expect(said).toEqual([...times.map((at) => ({ ...listed, at })), { verb: 'CLEAR', at: 60_000 }]);
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
    expect(answered([...others, '2001:db8::1'].map((address) => [0, challengeOf(address)] as const))).toEqual([]);
  });

  it('punches to four addresses at once, and to each once at a time with a pause behind', () => {
    const many = Array.from({ length: 9 }, (_, i) => `203.0.113.${i + 1}`);
    expect(answered(many.map((address) => [0, challengeOf(address)] as const))).toEqual(many.slice(0, 4));
    const again = (atMs: number) => [atMs, challengeOf(THEIRS, [atMs + 1])] as const;
    // A round that succeeds takes 3080 ms here, and the pause 2000.
    expect(answered([0, 1000, 3100, 5070, 5090].map(again))).toEqual([THEIRS, THEIRS]);
  });

  it('answers a copy of a challenge no more', () => {
    const copy = challengeOf();
    expect(answered([0, 10_000, 50_000].map((atMs) => [atMs, copy] as const))).toEqual([THEIRS]);
  });

  it('answers none while all slots are taken, or where its own ports are beyond prediction', () => {
    expect(answered([[0, challengeOf()]], { of: { hasSlot: () => false } })).toEqual([]);
    expect(answered([[0, challengeOf()]], { natType: { type: 'random' } })).toEqual([]);
  });

  it('goes on after one that fails', () => {
    const others = [challengeOf('203.0.113.1'), challengeOf('203.0.113.2')] as const;
    const comings = [[0, others[0]] as const, [20_000, others[1]] as const];
    expect(answered(comings, { punches: [fails, fails, fails, fails, after(80)] })).toHaveSize(2);
  });
});
