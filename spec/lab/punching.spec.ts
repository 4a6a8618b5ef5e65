/** What only shows from inside a node: the matrix shows who reaches whom. */
import { labRun } from './lab-run.js';
import { NETWORKS } from './networks.js';
import { dial } from './dial.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import { leftToCi } from '../support/left-to-ci.js';

/** What a node has open for itself: files, sessions with servers. */
const FEW_DESCRIPTORS = 64;

describe('rxp2p that punches', () => {
  const run = labRun();

  for (const { own, other } of fewOf(
    [
      { own: 'random', other: 'preserving' },
      { own: 'preserving', other: 'random' },
    ],
    [{ own: 'random', other: 'preserving' }],
  )) {
    it(
      `has given back the sockets of ${own} to ${other} within a second`,
      async () => {
        leftToCi();
        needsLab();
        const { outcomes, later } = await dial(run(), NETWORKS[own], [NETWORKS[other]]);
        const [outcome] = outcomes;
        expect(outcome).toEqual(jasmine.objectContaining({ type: 'dialled', technique: 'simultaneous-open' }));
        expect(Number(later['descriptors'])).toBeLessThan(FEW_DESCRIPTORS);
      },
      LAB_LIMIT_MS,
    );
  }

  it(
    'gives up at once, with the reason, where the ports of both are random',
    async () => {
      leftToCi();
      needsLab();
      const { outcomes } = await dial(run(), NETWORKS.random, [NETWORKS['cgnat-random']]);
      const [outcome] = outcomes;
      expect(outcome?.['reason']).toMatch(/Both NATs give random ports/);
    },
    LAB_LIMIT_MS,
  );
});
