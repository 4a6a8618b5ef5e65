import { labRun } from './lab-run.js';
import { move } from './moving.js';
import { DEFAULT_PATH } from './path.js';
import { needsLab } from './support.js';
import { leftToCi } from '../support/left-to-ci.js';

/** `npm run lab -- move` does the same with a million. */
const LINES = 200_000;

/** A dead link is noticed, and a direct path tried again, after pauses that suit users and not a spec. */
const MOVES_LIMIT_MS = 300_000;

describe('Numbered lines in both directions', () => {
  const run = labRun();

  it(
    'arrive once each, in order, while the path moves from the relay to a direct one, back when that is cut, and again',
    async () => {
      leftToCi();
      needsLab();
      const sides = await move(run(), { pair: ['preserving', 'preserving'], path: DEFAULT_PATH, lines: LINES });
      for (const side of Object.values(sides)) {
        expect(side).toEqual(jasmine.objectContaining({ count: LINES, fault: null, closed: 'closed' }));
        expect(turnsOf(side.ways.map(({ direct }) => direct))).toEqual([false, true, false, true]);
      }
    },
    MOVES_LIMIT_MS,
  );
});

/** From one relay to another is no turn, nor is it from one direct path to another. */
const turnsOf = (direct: readonly boolean[]): boolean[] =>
  direct.filter((each, i) => i === 0 || each !== direct[i - 1]);
