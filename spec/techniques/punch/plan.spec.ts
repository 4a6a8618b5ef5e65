import fc from 'fast-check';
import { isPort } from '../../../lib/endpoint.js';
import { DialError, ProtocolError } from '../../../lib/errors.js';
import { MAX_PREDICTIONS, predictPorts } from '../../../lib/nat/predict.js';
import {
  planPunch,
  PUNCH_MAX_SYNS,
  PUNCH_ROUND_MS,
  type OwnPunchSide,
  type PunchPlan,
  type PunchPlanOptions,
  type PunchSide,
} from '../../../lib/techniques/punch/plan.js';
import { synsOf$ } from '../../../lib/techniques/punch/syns.js';
import { BIRTHDAY_PROBES, BIRTHDAY_SOCKETS } from '../../../lib/techniques/punch/birthday.js';
import type { NatType } from '../../../lib/unl/types.js';
import { addresses, ports } from '../../support/locators.js';
import { marbles } from '../../support/marbles.js';
import { thrownBy } from '../../support/thrown.js';

const HERE = '45.198.51.7';
const THERE = '45.203.113.9';
const PRESERVING: NatType = { type: 'preserving' };
const DELTA: NatType = { type: 'delta', delta: 2 };
const RANDOM: NatType = { type: 'random' };

/** Chance that is the same in every run: a linear congruential generator (Numerical Recipes). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function sideOf(natType: NatType, fields: Partial<OwnPunchSide> = {}): OwnPunchSide {
  const localPorts = Array.from({ length: MAX_PREDICTIONS }, (_, i) => 4000 + i);
  const predicted = predictPorts(natType, { localPort: 4000, observedPort: natType.type === 'delta' ? 9000 : 4000 });
  return { natType, address: HERE, ports: predicted, localPorts, ...fields };
}

function peerOf(natType: NatType, fields: Partial<PunchSide> = {}): PunchSide {
  return { ...sideOf(natType), address: THERE, ...fields };
}

function planOf(own: OwnPunchSide, peer: PunchSide, options: Partial<PunchPlanOptions> = {}): PunchPlan {
  return planPunch(own, peer, { maxSockets: 10_000, random: chance(1), ...options });
}

function portsOf({ syns }: PunchPlan): (readonly [number | undefined, number])[] {
  return syns.map(({ localPort, remotePort }) => [localPort, remotePort] as const);
}

describe('planPunch', () => {
  it('sends one SYN from the one known port to the other', () => {
    const plan = planOf(sideOf(PRESERVING), peerOf({ type: 'reuse' }, { ports: [51_234] }));
    expect(plan).toEqual({
      address: THERE,
      syns: [{ atMs: 0, localPort: 4000, remotePort: 51_234 }],
      listenPort: 4000,
      maxSyns: 64,
      deadlineMs: PUNCH_ROUND_MS,
    });
  });

  it('sends to each of the ports that the peer may have', () => {
    const plan = planOf(sideOf({ type: 'open' }), peerOf(DELTA, { ports: [9002, 9004, 9002] }));
    expect(portsOf(plan)).toEqual([
      [4000, 9002],
      [4000, 9004],
    ]);
  });

  it('makes one mapping of a delta NAT towards a port that is known', () => {
    const plan = planOf(sideOf(DELTA), peerOf(PRESERVING, { ports: [7000] }));
    expect(portsOf(plan)).toEqual([[4000, 7000]]);
    expect(plan.listenPort).withContext('nobody else could get in').toBeUndefined();
  });

  it('makes every mapping of a delta NAT towards the middle one of another', () => {
    const plan = planOf(sideOf(DELTA), peerOf(DELTA));
    expect(portsOf(plan)).toEqual([4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007].map((port) => [port, 9010]));
  });

  it('waits before all of it when told to', () => {
    const plan = planOf(sideOf(PRESERVING), peerOf(PRESERVING), { delayMs: 40 });
    expect([plan.syns[0]?.atMs, plan.deadlineMs]).toEqual([40, 40 + PUNCH_ROUND_MS]);
  });

  it('makes 256 mappings of a random NAT towards the one port of the other, after a scout', () => {
    const { syns, listenPort, maxSyns } = planOf(sideOf(RANDOM), peerOf(PRESERVING));
    expect(syns).toHaveSize(BIRTHDAY_SOCKETS);
    expect(syns[0]).toEqual({ atMs: 0, localPort: 4000, remotePort: 4000 });
    expect(
      syns.slice(1).every(({ localPort, remotePort }) => localPort === undefined && remotePort === 4000),
    ).toBeTrue();
    expect([syns[1]?.atMs, syns.at(-1)?.atMs]).toEqual([200, 230]);
    expect([listenPort, maxSyns]).toEqual([undefined, PUNCH_MAX_SYNS]);
  });

  it('tries 2048 different ports of a random NAT from one, 64 every 10 ms, beginning 150 ms after the mappings', () => {
    const plan = planOf(sideOf(PRESERVING), peerOf(RANDOM));
    const remotePorts = plan.syns.map(({ remotePort }) => remotePort);
    expect(plan.syns.every(({ localPort }) => localPort === 4000)).toBeTrue();
    expect(new Set(remotePorts).size).toBe(BIRTHDAY_PROBES);
    expect(remotePorts.every((port) => port >= 1024 && port <= 65_535)).toBeTrue();
    const times = plan.syns.map(({ atMs }) => atMs);
    expect([times[0], times[1], times[64], times[65], times.at(-1)]).toEqual([0, 350, 350, 360, 660]);
    expect(plan.maxSyns).toBe(PUNCH_MAX_SYNS);
  });

  it('opens no more sockets than there may be', () => {
    expect(planOf(sideOf(RANDOM), peerOf(PRESERVING), { maxSockets: 100 }).syns).toHaveSize(100);
    expect(planOf(sideOf(PRESERVING), peerOf(RANDOM), { maxSockets: 100 }).syns).toHaveSize(100);
    expect(planOf(sideOf(RANDOM), peerOf(PRESERVING), { maxSockets: 0 }).syns).toHaveSize(1);
  });

  it('refuses random ports where the port of the other side is not known, with what each NAT does', () => {
    for (const [ours, theirs, words] of [
      [RANDOM, RANDOM, /^Both NATs give random ports: /],
      [RANDOM, DELTA, /^One NAT gives random ports, and the next port of the other can only be guessed: /],
      [DELTA, RANDOM, /^One NAT gives random ports, and the next port of the other can only be guessed: /],
    ] as const) {
      expect(() => planOf(sideOf(ours), peerOf(theirs))).toThrowError(DialError, words);
    }
  });

  it('refuses to try many ports where that is off', () => {
    expect(() => planOf(sideOf(RANDOM), peerOf(PRESERVING), { birthday: false })).toThrowError(DialError, /is off/);
    expect(() => planOf(sideOf(PRESERVING), peerOf(RANDOM), { birthday: false })).toThrowError(DialError, /is off/);
  });

  it('refuses when there is nothing to send to or from', () => {
    expect(() => planOf(sideOf(PRESERVING), peerOf({ type: 'reuse' }, { ports: [] }))).toThrowError(DialError);
    expect(() => planOf(sideOf(PRESERVING, { localPorts: [] }), peerOf(PRESERVING))).toThrowError(DialError);
  });

  it('is for public addresses of one family only, whatever the peer says', () => {
    for (const address of [
      '127.0.0.1',
      '192.168.1.1',
      '100.64.0.1',
      '169.254.0.1',
      '::ffff:10.0.0.1',
      '255.255.255.255',
      '224.0.0.1',
      '0.0.0.0',
      '::1',
      '2606:4700::1111',
      'example.org',
      '',
    ]) {
      const error = thrownBy(() => planOf(sideOf(PRESERVING), peerOf(PRESERVING, { address })));
      expect(error).withContext(address).toBeInstanceOf(ProtocolError);
    }
    const six = planOf(
      sideOf(PRESERVING, { address: '2606:4700::1' }),
      peerOf(PRESERVING, { address: '2606:4700:0::1111' }),
    );
    expect(six.address).toBe('2606:4700::1111');
  });

  it('is for ports only, and for a few of them, whatever the peer says', () => {
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
      const error = thrownBy(() => planOf(sideOf(PRESERVING), peerOf(PRESERVING, { ports: [4000, port] })));
      expect(error).withContext(String(port)).toBeInstanceOf(ProtocolError);
    }
    const many = Array.from({ length: 60_000 }, (_, i) => i + 1);
    expect(planOf(sideOf(PRESERVING), peerOf(DELTA, { ports: many })).syns).toHaveSize(MAX_PREDICTIONS);
  });

  it('tries no port of a well-known service, whatever the peer says', () => {
    const { syns } = planOf(sideOf(PRESERVING), peerOf(DELTA, { ports: [22, 4000, 80, 1023] }));
    expect(new Set(syns.map(({ remotePort }) => remotePort))).toEqual(new Set([4000]));
    expect(thrownBy(() => planOf(sideOf(PRESERVING), peerOf(PRESERVING, { ports: [25] })))).toBeInstanceOf(Error);
  });

  it('never sends to any other address, nor more than so many, nor for longer than so long', () => {
    const natTypes = fc.oneof(
      fc.constantFrom('open', 'preserving', 'reuse', 'random', 'unknown').map((type): NatType => ({ type })),
      fc.integer({ min: -32_768, max: 32_767 }).map((delta): NatType => ({ type: 'delta', delta })),
    );
    const sides = fc.record({ natType: natTypes, address: addresses, ports: fc.array(ports, { maxLength: 100 }) });
    fc.assert(
      fc.property(sides, sides, fc.nat(5000), fc.integer(), (own, peer, maxSockets, seed) => {
        let plan: PunchPlan;
        try {
          plan = planOf({ ...own, localPorts: [4000, 4001] }, peer, { maxSockets, random: chance(seed) });
        } catch (error) {
          throwUnless(error instanceof DialError || error instanceof ProtocolError).toBeTrue();
          return;
        }
        throwUnless(plan.address).toBe(peer.address);
        throwUnless(plan.syns.every(({ remotePort }) => isPort(remotePort))).toBeTrue();
        throwUnless(plan.syns.length).toBeLessThanOrEqual(Math.max(MAX_PREDICTIONS, maxSockets));
        throwUnless(plan.syns.length).toBeLessThanOrEqual(plan.maxSyns);
        throwUnless(plan.maxSyns).toBeLessThanOrEqual(PUNCH_MAX_SYNS);
        throwUnless(plan.deadlineMs).toBeLessThanOrEqual(1000 + PUNCH_ROUND_MS);
      }),
    );
  });
});

/** Where the SYNs of a plan come out of a NAT; before and among them others make mappings, too. */
function through(natType: NatType, { syns }: PunchPlan, others: number): { from: number; to: number }[] {
  return syns.map(({ localPort, remotePort }, i) => ({
    from: natType.type === 'delta' ? 9000 + natType.delta * (1 + others + i) : (localPort ?? 0),
    to: remotePort,
  }));
}

describe('two plans', () => {
  const natTypes = fc.oneof(
    fc.constantFrom('open', 'preserving', 'reuse').map((type): NatType => ({ type })),
    fc.integer({ min: -50, max: 50 }).map((delta): NatType => ({ type: 'delta', delta: delta === 0 ? 1 : delta })),
  );

  it('have a SYN in common for every two predictable NATs, also when others use them, too', () => {
    fc.assert(
      fc.property(natTypes, natTypes, fc.nat(4), fc.nat(4), (ours, theirs, others, othersThere) => {
        const there = sideOf(theirs, { address: THERE });
        const sent = through(ours, planOf(sideOf(ours), there), others);
        const came = through(theirs, planOf(there, sideOf(ours)), othersThere);
        throwUnless(sent.some(({ from, to }) => came.some((syn) => syn.from === to && syn.to === from))).toBeTrue();
      }),
    );
  });

  it('have several in common when one NAT is random, all but always', () => {
    const draw = chance(42);
    const met = Array.from({ length: 200 }, () => {
      const there = sideOf(RANDOM, { address: THERE });
      const tried = new Set(
        planOf(sideOf(PRESERVING), there, { random: draw }).syns.map(({ remotePort }) => remotePort),
      );
      const mapped = planOf(there, sideOf(PRESERVING)).syns.map(() => 1024 + Math.floor(draw() * 64_512));
      return mapped.filter((port) => tried.has(port)).length;
    });
    const average = met.reduce((sum, count) => sum + count, 0) / met.length;
    expect(average).toBeGreaterThan(7);
    expect(average).toBeLessThan(9);
    expect(met.filter((count) => count === 0).length).toBeLessThanOrEqual(1);
  });
});

describe('two paced plans', () => {
  const [known, random] = [sideOf(PRESERVING), sideOf(RANDOM, { address: THERE })];

  it('open no more new flows than a limiting router allows, counting the kernel’s repetitions', () => {
    const { syns, synMs = Infinity } = planOf(known, random, { isPaced: true });
    const inASecondFrom = (ms: number) => syns.filter(({ atMs }) => atMs >= ms && atMs < ms + 1_000).length;
    expect(Math.max(...syns.map(({ atMs }) => inASecondFrom(atMs)))).toBeLessThanOrEqual(13);
    expect(synMs).withContext('given up before it is sent again').toBeLessThan(1_000);
  });

  it('meet within 20 s in 97 of 100 rounds, all but a few', () => {
    const draw = chance(7);
    const hits = Array.from({ length: 400 }, () => {
      const tried = new Set(planOf(known, random, { isPaced: true, random: draw }).syns.map((syn) => syn.remotePort));
      const mapped = planOf(random, known, { isPaced: true }).syns.map(() => 1024 + Math.floor(draw() * 64_512));
      return mapped.some((port) => tried.has(port));
    });
    expect(hits.filter((hit) => hit).length / hits.length).toBeGreaterThan(0.94);
  });

  it('are over at the same time on both sides', () => {
    const deadlines = [planOf(known, random, { isPaced: true }), planOf(random, known, { isPaced: true })];
    expect(deadlines.map(({ deadlineMs }) => deadlineMs)).toEqual([22_500, 22_500]);
  });

  it('are the same as others where ports can be predicted', () => {
    const there = peerOf({ type: 'reuse' });
    expect(planOf(known, there, { isPaced: true })).toEqual(planOf(known, there));
  });
});

describe('synsOf$', () => {
  it('emits each SYN when its time has come, and completes', () => {
    marbles(({ expectObservable, scheduler }) => {
      const syns = [3, 3, 9].map((atMs, i) => ({ atMs, localPort: 4000, remotePort: 7000 + i }));
      const plan = { ...planOf(sideOf(PRESERVING), peerOf(PRESERVING)), syns };
      expectObservable(synsOf$(plan, scheduler)).toBe('---(ab)--(c|)', {
        a: syns[0],
        b: syns[1],
        c: syns[2],
      });
    });
  });

  it('emits nothing more once it is unsubscribed from', () => {
    marbles(({ expectObservable, scheduler }) => {
      const plan = planOf(sideOf(RANDOM), peerOf(PRESERVING));
      expectObservable(synsOf$(plan, scheduler), '^ 99ms !').toBe('a', { a: plan.syns[0] });
    });
  });

  it('completes at once where there is nothing to send', () => {
    marbles(({ expectObservable, scheduler }) => {
      const plan = { ...planOf(sideOf(PRESERVING), peerOf(PRESERVING)), syns: [] };
      expectObservable(synsOf$(plan, scheduler)).toBe('|');
    });
  });
});
