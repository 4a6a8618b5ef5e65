import { watch } from 'node:fs/promises';
import { asyncScheduler, type SchedulerLike, VirtualTimeScheduler } from 'rxjs';
import { levelStore$ } from '../../../servers/mailbox/level-store.js';
import type { MessageStore } from '../../../servers/mailbox/store.js';
import { needsSmallDisk, smallDisks } from '../../support/small-disk.js';

describe('A store in a folder', () => {
  const diskOf = smallDisks();

  function open(folder: string, scheduler: SchedulerLike) {
    return new Promise<{ store: MessageStore; close: () => void }>((resolve, reject) => {
      const subscription = levelStore$(folder, scheduler).subscribe({
        next: (store) => {
          resolve({
            store,
            close: () => {
              subscription.unsubscribe();
            },
          });
        },
        error: reject,
      });
    });
  }

  /** Resolves when a file of a folder has appeared or changed: LevelDB moves its LOG there whenever it is opened. */
  async function changed(folder: string, name: string): Promise<void> {
    for await (const { filename } of watch(folder)) if (filename === name) return;
  }

  it('is closed for good when it is closed while it is being mended: another can open the folder', async () => {
    needsSmallDisk();
    const disk = await diskOf('2m');
    const folder = disk.path('store');
    const scheduler = new VirtualTimeScheduler();
    const { store, close } = await open(folder, scheduler);
    disk.fill();
    await expectAsync(store.put('key', 'x'.repeat(65_536))).toBeRejected();
    disk.free();
    const reopened = changed(folder, 'LOG.old');
    scheduler.flush();
    close();
    await reopened;
    const next = await open(folder, asyncScheduler);
    next.close();
    expect(next.store).toBeDefined();
  });
});
