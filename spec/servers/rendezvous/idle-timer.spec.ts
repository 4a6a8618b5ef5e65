import { IdleTimer } from '../../../servers/rendezvous/idle-timer.js';
import { VirtualClock } from '../../connection/virtual-links.js';

describe('IdleTimer', () => {
  let clock: VirtualClock;
  let happened: number[];
  let idle: IdleTimer;

  beforeEach(() => {
    clock = new VirtualClock();
    happened = [];
    idle = new IdleTimer(clock, () => happened.push(clock.now()));
  });

  it('calls the action after a time without being put off', () => {
    idle.putOff(100);
    clock.pass(60);
    idle.putOff(100);
    clock.pass(99);
    expect(happened).toEqual([]);
    clock.pass(1);
    expect(happened).toEqual([160]);
    clock.pass(1_000);
    expect(happened).toEqual([160]);
  });

  it('is put off for less than before', () => {
    idle.putOff(1_000);
    idle.putOff(10);
    clock.pass(10);
    expect(happened).toEqual([10]);
  });

  it('is put off by one timer, however often', () => {
    for (let i = 0; i < 1_000; i++) idle.putOff(100);
    expect(clock.actions.length).toBe(1);
  });

  it('does nothing when it was stopped', () => {
    idle.putOff(100);
    idle.stop();
    clock.pass(1_000);
    expect(happened).toEqual([]);
  });
});
