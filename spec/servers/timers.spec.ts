import fc from 'fast-check';
import { Timers, type Timer } from '../../servers/timers.js';
import { VirtualClock } from '../connection/virtual-links.js';

describe('Timers', () => {
  let clock: VirtualClock;
  let timers: Timers;
  let happened: [name: string, at: number][];

  beforeEach(() => {
    clock = new VirtualClock();
    timers = new Timers(clock);
    happened = [];
  });

  function timer(name: string, then: () => void = () => undefined): Timer {
    return timers.of({
      due: () => {
        happened.push([name, clock.now()]);
        then();
      },
    });
  }

  it('call their owner after a time without being put off, once', () => {
    const idle = timer('idle');
    idle.start(100);
    clock.pass(60);
    idle.start(100);
    clock.pass(99);
    expect(happened).toEqual([]);
    clock.pass(1);
    expect(happened).toEqual([['idle', 160]]);
    clock.pass(1_000);
    expect(happened).toEqual([['idle', 160]]);
  });

  it('are started anew with another time', () => {
    const [one, other] = [timer('one'), timer('other')];
    one.start(1_000);
    one.start(10);
    other.start(10);
    other.start(1_000);
    clock.pass(2_000);
    expect(happened).toEqual([
      ['one', 10],
      ['other', 1_000],
    ]);
  });

  it('share one timer of the system for each duration, however many there are and however often they are put off', () => {
    const all = Array.from({ length: 1_000 }, () => timer('one'));
    for (const one of [...all, ...all]) one.start(100);
    for (const one of all.slice(500)) one.start(200);
    expect(clock.actions.length).toBe(2);
    clock.pass(1_000);
    expect(happened.length).toBe(1_000);
    expect(clock.actions.length).toBe(0);
  });

  it('call nobody when they were stopped, or all of them were', () => {
    const [stopped, closed] = [timer('stopped'), timer('closed')];
    stopped.start(100);
    stopped.stop();
    stopped.stop();
    closed.start(100);
    timers.close();
    clock.pass(1_000);
    expect(happened).toEqual([]);
  });

  it('are stopped, started and closed from within their call', () => {
    const second = timer('second');
    const again = timer('again', () => {
      if (happened.length < 3) again.start(100);
      else timers.close();
      second.stop();
    });
    again.start(100);
    second.start(100);
    timer('third').start(100);
    clock.pass(1_000);
    expect(happened).toEqual([
      ['again', 100],
      ['third', 100],
      ['again', 200],
    ]);
  });

  it('end as timers of their own would, whatever is started and stopped', () => {
    const step = fc.record({
      of: fc.nat(4),
      ms: fc.constantFrom(0, 5, 10),
      stops: fc.boolean(),
      passes: fc.nat(6),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        clock = new VirtualClock();
        timers = new Timers(clock);
        happened = [];
        const expected: string[] = [];
        const all = Array.from({ length: 5 }, (_, index) => timer(String(index)));
        const ends = new Map<number, number>();
        const pass = (ms: number) => {
          const until = clock.now() + ms;
          for (const [index, at] of ends) {
            if (at > until) continue;
            ends.delete(index);
            expected.push(`${index} ${at}`);
          }
          clock.pass(ms);
        };
        for (const { of, ms, stops, passes } of steps) {
          if (stops) {
            all[of]?.stop();
            ends.delete(of);
          } else {
            all[of]?.start(ms);
            ends.set(of, clock.now() + ms);
          }
          pass(passes);
        }
        pass(100);
        expect(happened.map(([name, at]) => `${name} ${at}`).sort()).toEqual(expected.sort());
      }),
    );
  });
});
