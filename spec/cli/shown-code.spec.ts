import { concat, of, throwError, toArray, lastValueFrom } from 'rxjs';
import { shownCode$ } from '../../lib/cli/by-code.js';
import { PairingError, type InviteOptions, type InviteStep } from '../../lib/index.js';

describe('A code that a command shows', () => {
  it('is followed by another one after its time, with which wrong tries are counted on', async () => {
    const asked: (InviteOptions | undefined)[] = [];
    const code: InviteStep = { step: 'code', code: '7-otter-violet', expiresAt: new Date(0) };
    const ends = [
      new PairingError('CODE_EXPIRED', 'nobody', undefined, 2),
      new PairingError('CODE_EXPIRED', 'nobody', undefined, 2),
      new PairingError('CODE_WRONG', 'closed', undefined, 3),
    ];
    const net = {
      invite$: (options?: InviteOptions) => {
        const end = ends[asked.length];
        asked.push(options);
        return concat(
          of(code),
          throwError(() => end),
        );
      },
    };
    const events: string[] = [];
    const report = (event: string) => {
      events.push(event);
    };
    expect(
      await lastValueFrom(shownCode$(net, { command: 'rxp2p ping', servers: [], report }).pipe(toArray())),
    ).toEqual([]);
    expect(asked.map((options) => options?.wrongTries)).toEqual([0, 2, 2]);
    expect(events).toEqual(['code', 'code-closed', 'code', 'code-closed', 'code', 'code-closed']);
  });
});
