import { watch } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { asyncScheduler, type SchedulerLike, VirtualTimeScheduler } from 'rxjs';
import { levelStore$ } from '../../../servers/mailbox/level-store.js';
import type { MessageStore } from '../../../servers/mailbox/store.js';
import { temporaryFolder } from '../../support/folder.js';
import { needsSmallDisk, smallDisks } from '../../support/small-disk.js';

describe('A store in a folder', () => {
  const diskOf = smallDisks();
  const path = temporaryFolder();

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

  it('has one write to the disk for all that comes at the same time, and while more comes', async () => {
    const writes = spyOn(ClassicLevel.prototype, 'batch').and.callThrough();
    const { store, close } = await open(path('store'), asyncScheduler);
    const kept: Promise<void>[] = [];
    for (let turn = 0; turn < 5; turn++) {
      for (let count = 0; count < 20; count++) kept.push(store.put(`${turn} ${count}`, 'a message'));
      await new Promise(setImmediate);
    }
    await Promise.all(kept);
    expect(writes).toHaveBeenCalledTimes(1);
    close();
  });

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
