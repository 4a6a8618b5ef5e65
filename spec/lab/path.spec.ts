import { existsSync } from 'node:fs';
import { DEFAULT_PATH, netem, roundTripTime, wireProgram } from './path.js';

describe('A path', () => {
  const bad = { delay: 50, jitter: 5, loss: 0.015, bandwidth: 10 };

  it('takes two lines there and two back', () => {
    expect(roundTripTime(DEFAULT_PATH)).toBe(80);
    expect(roundTripTime(DEFAULT_PATH, 1)).toBe(40);
  });

  it('is netem’s arguments where the kernel has netem', () => {
    expect(netem('wan', DEFAULT_PATH)).toBe('qdisc add dev wan root netem limit 433334 delay 20ms');
    expect(netem('wan', bad)).toBe('qdisc add dev wan root netem limit 459 delay 50ms 5ms loss 1.5% rate 10mbit');
  });

  it('is a program of ours where it has not, told in seconds and bits', () => {
    const ends = [
      { namespace: 'n-a', device: 'eth0' },
      { namespace: 'n-internet', device: 'to-a' },
    ] as const;
    const [, file = '', argument = ''] = wireProgram([ends], bad);
    expect(existsSync(file)).toBeTrue();
    expect(JSON.parse(argument)).toEqual([
      {
        ends: [
          ['n-a', 'eth0'],
          ['n-internet', 'to-a'],
        ],
        delay: 0.05,
        jitter: 0.005,
        loss: 0.015,
        bandwidth: 1e7,
        buffer: 0.5,
      },
    ]);
  });
});
