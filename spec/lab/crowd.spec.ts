/** What only shows with many peers at once: the matrix shows who reaches whom. */
import { labRun } from './lab-run.js';
import { NETWORKS, type Network } from './networks.js';
import { dial } from './dial.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import { leftToCi } from '../support/left-to-ci.js';

/** Networks whose ports can be predicted, in turns. */
const PREDICTABLE = (
  ['preserving', 'firewall', 'delta1', 'cgnat', 'preserving-reject', 'fullcone', 'delta3'] as const
).map((name): Network => NETWORKS[name]);

/**
 * The peers that are dialled at once. CI gives the whole crowd: each is a program of its own, of which twenty keep a machine
 * busy for a minute before they do what is to be seen here.
 */
const [CROWD = 0] = fewOf([20], [3]);
const HALF = Math.ceil(CROWD / 2);

describe('rxp2p that punches many at once', () => {
  const run = labRun();

  it(
    `reaches ${CROWD} peers behind routers of their own at once`,
    async () => {
      leftToCi();
      needsLab();
      const others = Array.from(
        { length: CROWD },
        (_, i) => PREDICTABLE[i % PREDICTABLE.length] ?? NETWORKS.preserving,
      );
      const { outcomes } = await dial(run(), NETWORKS.preserving, others);
      expect(outcomes.filter(({ type }) => type === 'failed')).toEqual([]);
      expect(new Set(outcomes.map(({ peerId }) => peerId)).size).toBe(CROWD);
      expect(
        outcomes.every(({ technique, direct }) => technique === 'simultaneous-open' && direct === true),
      ).toBeTrue();
    },
    LAB_LIMIT_MS,
  );

  it(
    `reaches ${HALF} peers at once from behind a NAT whose next ports are predicted, one punch after the other`,
    async () => {
      leftToCi();
      needsLab();
      const others = Array.from({ length: HALF }, (_, i) => PREDICTABLE[i % PREDICTABLE.length] ?? NETWORKS.preserving);
      const { outcomes } = await dial(run(), NETWORKS.delta1, others);
      expect(outcomes.filter(({ type }) => type === 'failed')).toEqual([]);
      expect(new Set(outcomes.map(({ peerId }) => peerId)).size).toBe(HALF);
      expect(outcomes.every(({ technique }) => technique === 'simultaneous-open')).toBeTrue();
    },
    LAB_LIMIT_MS,
  );
});
