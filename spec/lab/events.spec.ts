import { failureReason, parseEvent, type Event } from './events.js';

describe('An event of `rxp2p connect --json`', () => {
  it('is taken for what it is', () => {
    expect(parseEvent('{"event":"connecting","peerId":"x"}')).toEqual({ event: 'connecting' });
    expect(
      parseEvent('{"event":"attempt","technique":"direct","outcome":"failed","reason":"refused","elapsedMs":3}'),
    ).toEqual({
      event: 'attempt',
      technique: 'direct',
      outcome: 'failed',
      reason: 'refused',
    });
    expect(parseEvent('{"event":"connected","technique":"relay","direct":false}')).toEqual({
      event: 'connected',
      technique: 'relay',
      direct: false,
    });
    expect(parseEvent('{"event":"path","technique":"simultaneous-open","direct":true,"elapsedMs":480}')).toEqual({
      event: 'path',
      technique: 'simultaneous-open',
      direct: true,
    });
  });

  it('is nothing when it is of another kind or no event at all', () => {
    for (const line of ['{"event":"ready"}', '{"event":1}', '[]', 'null', '"connecting"', '7', '{', '', 'Error: no']) {
      expect(parseEvent(line)).withContext(line).toBeUndefined();
    }
  });
});

describe('The reason of a failure', () => {
  it('names every technique, with its reason or at least its outcome', () => {
    const events: Event[] = [
      { event: 'connecting' },
      { event: 'attempt', technique: 'direct', outcome: 'failed', reason: 'timeout' },
      { event: 'attempt', technique: 'relay', outcome: 'skipped', reason: undefined },
    ];
    expect(failureReason(events, ['last words'])).toBe('direct: timeout; relay: skipped');
  });

  it('is what the program said last when no technique was tried', () => {
    expect(failureReason([], ['first', 'Error: no server', ' '])).toBe('Error: no server');
    expect(failureReason([], [])).toBe('it said nothing');
  });
});
