import { hide } from '../../../lib/cli/story/hide.js';
import { createIdentity } from '../../../lib/identity.js';

describe('what a report leaves out', () => {
  it('is the end of each public address and of each key, wherever it stands', () => {
    for (const [text, hidden] of [
      ['45.45.1.7', '45.45.1.x'],
      ['connect ECONNREFUSED 45.45.1.7:4000', 'connect ECONNREFUSED 45.45.1.x:4000'],
      ['"address":"45.45.1.7"', '"address":"45.45.1.x"'],
      ['at [2a45:45:1:2::7]:4000', 'at [2a45:45::x]:4000'],
      [
        'turn:45.45.1.7:3478 and stuns:45.45.1.7:443. It is 45.45.1.7.',
        'turn:45.45.1.x:3478 and stuns:45.45.1.x:443. It is 45.45.1.x.',
      ],
      ['fd12:3456:789a::7, fe80::1c2d:3eff:fe4f:5a6b', 'fd12::x, fe80::x'],
      ['2a45:45::7 and 2A45:45:0:0:0:0:0:8', '2a45:45::x and 2a45:45::x'],
      ['192.168.1.7, 10.0.0.1, 127.0.0.1, ::1', '192.168.1.7, 10.0.0.1, 127.0.0.1, ::1'],
      ['Node v24.1.0 at 12:30:45, 999.1.1.1', 'Node v24.1.0 at 12:30:45, 999.1.1.1'],
    ] as const)
      expect(hide(text)).toBe(hidden);
    const { peerId } = createIdentity();
    expect(hide(`peer ${peerId} has gone`)).toBe(`peer ${peerId.slice(0, 8)}… has gone`);
  });
});
