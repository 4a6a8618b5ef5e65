import { Silence } from '../../../lib/connection/transport/silence.js';
import { VirtualClock } from '../virtual-links.js';

describe('A peer that owes an answer', () => {
  /** When it was found to be silent, in milliseconds, for a patience of 100. */
  function watched() {
    const clock = new VirtualClock();
    const silentAt: number[] = [];
    const silence = new Silence({ scheduler: clock, ms: 100, onSilent: () => silentAt.push(clock.now()) });
    return { clock, silentAt, silence };
  }

  it('counts as silent when the time has passed, and again after each further such time', () => {
    const { clock, silentAt, silence } = watched();
    clock.pass(50);
    silence.expect();
    clock.pass(99);
    expect(silentAt).toEqual([]);
    clock.pass(201);
    expect(silentAt).toEqual([150, 250, 350]);
  });

  it('owes it from the first question on', () => {
    const { clock, silentAt, silence } = watched();
    silence.expect();
    clock.pass(60);
    silence.expect();
    clock.pass(60);
    expect(silentAt).toEqual([100]);
  });

  it('does not count as silent after it has answered, however long it sends nothing then', () => {
    const { clock, silentAt, silence } = watched();
    silence.expect();
    clock.pass(99);
    silence.heard(false);
    clock.pass(10_000);
    expect(silentAt).toEqual([]);
  });

  it('has the full time again when it has sent something and owes more', () => {
    const { clock, silentAt, silence } = watched();
    silence.expect();
    clock.pass(60);
    silence.heard(true);
    clock.pass(99);
    expect(silentAt).toEqual([]);
    clock.pass(1);
    expect(silentAt).toEqual([160]);
  });

  it('has all of the time for what it owes anew, though the timer for what it has answered still runs', () => {
    const { clock, silentAt, silence } = watched();
    silence.expect();
    clock.pass(10);
    silence.heard(false);
    clock.pass(70);
    silence.expect();
    clock.pass(99);
    expect(silentAt).toEqual([]);
    clock.pass(1);
    expect(silentAt).toEqual([180]);
  });

  it('is not waited for any more when that is stopped, until it owes something again', () => {
    const { clock, silentAt, silence } = watched();
    silence.expect();
    clock.pass(60);
    silence.stop();
    clock.pass(1_000);
    expect([silentAt, clock.actions.length]).toEqual([[], 0]);
    silence.expect();
    clock.pass(100);
    expect(silentAt).toEqual([1_160]);
  });

  it('keeps no timer once nothing is owed', () => {
    const { clock, silence } = watched();
    silence.expect();
    clock.pass(10);
    silence.heard(false);
    clock.pass(100);
    expect(clock.actions.length).toBe(0);
  });

  it('is waited for as long as was set last, also for what is owed already', () => {
    const { clock, silentAt, silence } = watched();
    silence.expect();
    clock.pass(10);
    silence.setPatience(40);
    clock.pass(29);
    expect(silentAt).toEqual([]);
    clock.pass(1);
    expect(silentAt).toEqual([40]);
    silence.setPatience(200);
    clock.pass(199);
    expect(silentAt).toEqual([40]);
    clock.pass(1);
    expect(silentAt).toEqual([40, 240]);
  });

  it('has been silent for long enough already when less patience is set', () => {
    const { clock, silentAt, silence } = watched();
    silence.expect();
    clock.pass(60);
    silence.setPatience(40);
    clock.pass(0);
    expect(silentAt).toEqual([60]);
  });

  it('is waited for, too, when it owes more only after another patience was set', () => {
    const { clock, silentAt, silence } = watched();
    silence.expect();
    silence.heard(false);
    silence.setPatience(40);
    silence.heard(true);
    clock.pass(40);
    expect(silentAt).toEqual([40]);
  });

  it('is given a moment where this process was busy, since its answer may have come and wait to be read', () => {
    const [patienceMs, busyMs] = [100, 1_000];
    for (const hasAnswered of [true, false]) {
      const clock = new VirtualClock();
      const inTime = clock.now;
      const silentAt: number[] = [];
      const silence = new Silence({ scheduler: clock, ms: patienceMs, onSilent: () => silentAt.push(clock.now()) });
      silence.expect();
      // Timers of this process fire so much too late.
      clock.now = () => inTime() + busyMs;
      clock.pass(patienceMs);
      expect(silentAt).withContext('right after').toEqual([]);
      if (hasAnswered) silence.heard(false);
      clock.pass(50);
      expect(silentAt).toEqual(hasAnswered ? [] : [patienceMs + busyMs + 50]);
    }
  });
});
