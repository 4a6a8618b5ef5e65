import { lastValueFrom, NEVER, startWith, Subject, Subscription, throwError } from 'rxjs';
import { Display } from '../../lib/cli/files/display.js';
import { served$ } from '../../lib/cli/files/going.js';
import { FilesError, type FilesFailure, type FilesStep } from '../../lib/index.js';
import { Lab } from '../support/nodes.js';
import { filesChannels } from '../support/transfers.js';

const DONE: FilesStep = { type: 'done', files: 1, failed: 0, unchanged: 0, skipped: 0 };

describe('A transfer with a peer that comes', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  it('ends when its side is at its end, and not with its last word, which has to arrive', async () => {
    const display = await Display.open(undefined, 'received');
    lab.use(
      new Subscription(() => {
        display.close();
      }),
    );
    const { receiving } = await filesChannels(lab);
    const side = new Subject<FilesStep>();
    const steps: (FilesStep | 'complete')[] = [];
    served$(NEVER.pipe(startWith(receiving)), () => side, display, 'waiting again', ['refused']).subscribe({
      next: (step) => steps.push(step),
      complete: () => steps.push('complete'),
    });
    side.next(DONE);
    expect(side.observed).toBeTrue();
    expect(steps).toEqual([DONE]);
    side.complete();
    expect(steps).toEqual([DONE, 'complete']);
  });

  it('fails where the peer does not come again, and else waits for it', async () => {
    const display = await Display.open(undefined, 'sent');
    lab.use(
      new Subscription(() => {
        display.close();
      }),
    );
    const { receiving } = await filesChannels(lab);
    const exists = new FilesError('exists', 'other files are there already');
    const served = (final: readonly FilesFailure[]) =>
      served$(NEVER.pipe(startWith(receiving)), () => throwError(() => exists), display, 'waiting again', final);
    await expectAsync(lastValueFrom(served(['refused', 'exists']))).toBeRejectedWith(exists);
    let isOver = false;
    const waiting = served(['refused']).subscribe({ error: () => (isOver = true), complete: () => (isOver = true) });
    expect(isOver).toBeFalse();
    waiting.unsubscribe();
  });
});
