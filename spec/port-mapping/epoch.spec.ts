import fc from 'fast-check';
import { hasLostState, hasRestarted, type Epoch } from '../../lib/port-mapping/epoch.js';

const epoch = (seconds: number, atSeconds: number): Epoch => ({ seconds, at: atSeconds * 1000 });

/** A gateway that has been up for a while, and how much of both clocks passes. */
const honest = fc.record({
  seconds: fc.nat({ max: 2 ** 31 }),
  at: fc.nat({ max: 1e6 }),
  passed: fc.nat({ max: 1e7 }),
  /** Both sides count in whole seconds, and an answer is up to a second old. */
  jitter: fc.double({ min: -1, max: 1, noNaN: true }),
});

describe('hasRestarted, of NAT-PMP', () => {
  it('is so when the seconds are less than 7/8 of what they should be, less 2 (RFC 6886 §3.6)', () => {
    // 800 s later there should be 1000 + 700 - 2 at least.
    expect(hasRestarted(epoch(1000, 0), epoch(1698, 800))).toBeFalse();
    expect(hasRestarted(epoch(1000, 0), epoch(1697, 800))).toBeTrue();
    expect(hasRestarted(epoch(1000, 0), epoch(0, 60))).toBeTrue();
    expect(hasRestarted(epoch(1000, 0), epoch(999, 60))).toBeTrue();
  });

  it('is so when a gateway restarts that has just been started', () => {
    expect(hasRestarted(epoch(0, 0), epoch(3, 60))).toBeTrue();
    expect(hasRestarted(epoch(5, 0), epoch(0, 1))).toBeTrue();
  });

  it('is not so for a clock that is fast: time that the gateway has gained loses nothing', () => {
    expect(hasRestarted(epoch(1000, 0), epoch(5000, 60))).toBeFalse();
  });

  it('is not so of two answers at the same time', () => {
    expect(hasRestarted(epoch(1000, 7), epoch(1000, 7))).toBeFalse();
    expect(hasRestarted(epoch(1000, 7), epoch(998, 7))).toBeFalse();
    expect(hasRestarted(epoch(1000, 7), epoch(997, 7))).toBeTrue();
  });

  it('is never so for an honest gateway whose clock is at most an eighth slow', () => {
    fc.assert(
      fc.property(honest, fc.double({ min: 7 / 8, max: 2, noNaN: true }), ({ seconds, at, passed, jitter }, pace) => {
        const now = epoch(Math.floor(seconds + passed * pace), at + passed + jitter);
        return !hasRestarted(epoch(seconds, at), now);
      }),
    );
  });
});

describe('hasLostState, of PCP', () => {
  it('is so when the epoch goes back by more than a second (RFC 6887 §8.5)', () => {
    expect(hasLostState(epoch(1000, 0), epoch(999, 0))).toBeFalse();
    expect(hasLostState(epoch(1000, 0), epoch(998, 0))).toBeTrue();
    expect(hasLostState(epoch(1000, 0), epoch(0, 60))).toBeTrue();
  });

  it('is so when less time has passed for the server than 15/16 of ours, less 2', () => {
    // 1600 s of ours: theirs + 2 must not be below 1500.
    expect(hasLostState(epoch(1000, 0), epoch(2498, 1600))).toBeFalse();
    expect(hasLostState(epoch(1000, 0), epoch(2497, 1600))).toBeTrue();
  });

  it('is so when less time has passed for us than 15/16 of the server’s, less 2', () => {
    expect(hasLostState(epoch(1000, 0), epoch(2600, 1498))).toBeFalse();
    expect(hasLostState(epoch(1000, 0), epoch(2600, 1497))).toBeTrue();
  });

  it('is so when a server restarts that has just been started', () => {
    expect(hasLostState(epoch(0, 0), epoch(3, 60))).toBeTrue();
  });

  it('is never so for an honest server whose clock is within a sixteenth of ours', () => {
    fc.assert(
      fc.property(honest, fc.double({ min: 15 / 16, max: 1, noNaN: true }), (clocks, pace) => {
        const { seconds, at, passed, jitter } = clocks;
        const slow = epoch(Math.floor(seconds + passed * pace), at + passed + jitter);
        const fast = epoch(Math.floor(seconds + passed), at + passed * pace + jitter);
        // Nor may it have gone back: no time at all, and a second of jitter.
        return !hasLostState(epoch(seconds, at), slow) && !hasLostState(epoch(seconds, at), fast);
      }),
    );
  });
});
