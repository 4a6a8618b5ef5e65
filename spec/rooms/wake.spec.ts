import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { asyncScheduler, VirtualTimeScheduler } from 'rxjs';
import { wakeAt } from '../../lib/rooms/wake.js';

describe('Waking a room', () => {
  it('is at its time, and not at all when it is cancelled', () => {
    const scheduler = new VirtualTimeScheduler();
    const woken: number[] = [];
    wakeAt(scheduler, 500, () => woken.push(scheduler.now()));
    wakeAt(scheduler, 600, () => woken.push(scheduler.now())).unsubscribe();
    scheduler.flush();
    expect(woken).toEqual([500]);
  });

  it('comes after what was received while the process was busy', async () => {
    const echo = spawn('cat');
    await once(echo, 'spawn');
    const order: string[] = [];
    const read = once(echo.stdout, 'data').then(() => order.push('read'));
    const woken = new Promise<void>((resolve) => {
      wakeAt(asyncScheduler, Date.now() + 20, () => {
        order.push('woken');
        resolve();
      });
    });
    echo.stdin.end('here');
    const busyUntil = Date.now() + 500;
    while (Date.now() < busyUntil);
    await Promise.all([read, woken]);
    expect(order).toEqual(['read', 'woken']);
  });
});
