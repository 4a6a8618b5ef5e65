import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    const folder = mkdtempSync(join(tmpdir(), 'rxp2p-wake-'));
    const said = join(folder, 'said');
    const other = spawn('sh', ['-c', 'read line; echo "$line"; : > "$0"', said]);
    await once(other, 'spawn');
    const order: string[] = [];
    const read = once(other.stdout, 'data').then(() => order.push('read'));
    const at = Date.now() + 20;
    const woken = new Promise<void>((resolve) => {
      wakeAt(asyncScheduler, at, () => {
        order.push('woken');
        resolve();
      });
    });
    other.stdin.end('here\n');
    // Busy until it has been sent, and for longer than a timer may be late.
    while (!existsSync(said) || Date.now() < at + 100);
    await Promise.all([read, woken]);
    expect(order).toEqual(['read', 'woken']);
    rmSync(folder, { recursive: true });
  });
});
