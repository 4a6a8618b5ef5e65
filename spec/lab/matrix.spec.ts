import { writeFileSync } from 'node:fs';
import { lastValueFrom, toArray } from 'rxjs';
import { temporaryFolder } from '../support/folder.js';
import { labRun } from './lab-run.js';
import { matrix$, raisePriority, type MatrixConfig } from './matrix.js';
import type { PairResult, Way } from './measurement.js';
import { NETWORKS } from './networks.js';
import { DEFAULT_PATH, roundTripTime } from './path.js';
import { planNetwork, type Pair } from './plan.js';
import { RXP2P } from './servers.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import { leftToCi } from '../support/left-to-ci.js';

const DIALLED: Way = { technique: 'direct', direct: true };
const PUNCHED: Way = { technique: 'simultaneous-open', direct: true };
const RELAYED: Way = { technique: 'relay', direct: false };

/** Far longer than any trial takes, on a busy machine too. */
const NEVER_S = 90;

describe('The matrix', () => {
  const file = temporaryFolder();
  const run = labRun();

  const measure = (pairs: readonly Pair[], config: Partial<MatrixConfig> = {}): Promise<PairResult[]> => {
    const defaults = { path: DEFAULT_PATH, repeat: 1, parallel: 2, timeout: NEVER_S, settle: 3, rxp2p: RXP2P };
    return lastValueFrom(matrix$(run(), { ...defaults, ...config, pairs }).pipe(toArray()), { defaultValue: [] });
  };

  it(
    'connects to a public host by dialing it, and takes the time that the path takes',
    async () => {
      leftToCi();
      needsLab();
      const pairs = fewOf<Pair>([['public', 'public'], ['random', 'public'], ['ipv6-firewall', 'public']], [['random', 'public']]); // prettier-ignore
      for (const { pair, trials } of await measure(pairs, { repeat: 2 })) {
        expect(trials.length).toBe(2);
        for (const trial of trials) {
          expect(trial)
            .withContext(pair.join(' → '))
            .toEqual(jasmine.objectContaining({ ok: true, first: DIALLED, last: DIALLED, movedMs: null }));
          // A TCP handshake and a line: nothing can be faster. How much slower it may be is for the matrix itself to judge, which has the machine to itself.
          if (trial.ok) expect(trial.ms).toBeGreaterThan(1.5 * roundTripTime(DEFAULT_PATH));
        }
      }
    },
    LAB_LIMIT_MS,
  );

  /** A program with the words of rxp2p, whose connection takes these ways, one after the other, and stays until its stdin ends. */
  const taking = (...ways: readonly Way[]): string => {
    const rxp2p = file(`taking-${ways.map(({ technique }) => technique).join('-')}.mjs`);
    writeFileSync(
      rxp2p,
      `import { connect, createServer } from 'node:net';
      import { networkInterfaces } from 'node:os';
      const tell = (event, way) => console.error(JSON.stringify({ event, ...way }));
      const [command, unl] = process.argv.slice(2);
      if (command === 'serve') console.log('http');
      if (command === 'listen') {
        createServer((socket) => socket.pipe(process.stdout)).listen(7001, () => {
          const addresses = Object.values(networkInterfaces()).flat();
          console.log(addresses.find(({ family, internal }) => family === 'IPv4' && !internal).address);
        });
      }
      if (command === 'connect') {
        const [first, ...others] = ${JSON.stringify(ways)};
        tell('connecting');
        const socket = connect(7001, unl, () => {
          tell('connected', first);
          process.stdin.on('data', (data) => socket.write(data)).on('end', () => process.exit());
          for (const [i, way] of others.entries()) setTimeout(() => tell('path', way), 300 * (i + 1));
        });
      } else setInterval(() => undefined, 1e6);`,
    );
    return rxp2p;
  };
  const trialOf = async (config: Partial<MatrixConfig>) => {
    const [result] = await measure([['public', 'public']], config);
    return result?.trials[0];
  };

  it(
    'stays until the path is direct, and tells that beside the way of the first line',
    async () => {
      leftToCi();
      needsLab();
      const trial = await trialOf({ rxp2p: taking(RELAYED, PUNCHED), settle: 600 });
      expect(trial).toEqual(jasmine.objectContaining({ ok: true, first: RELAYED, last: PUNCHED }));
      expect(trial?.ok === true && Number(trial.movedMs)).toBeGreaterThan(trial?.ok === true ? trial.ms : Infinity);
    },
    LAB_LIMIT_MS,
  );

  it(
    'does not stay longer than it is told to',
    async () => {
      leftToCi();
      needsLab();
      const trial = await trialOf({ rxp2p: taking(RELAYED), settle: 0.1 });
      expect(trial).toEqual(jasmine.objectContaining({ ok: true, first: RELAYED, last: RELAYED, movedMs: null }));
    },
    LAB_LIMIT_MS,
  );

  it(
    'does not stay where the path is direct from the start',
    async () => {
      leftToCi();
      needsLab();
      const trial = await trialOf({ rxp2p: taking(PUNCHED), settle: 600 });
      expect(trial).toEqual(jasmine.objectContaining({ ok: true, first: PUNCHED, last: PUNCHED, movedMs: null }));
    },
    LAB_LIMIT_MS,
  );

  it(
    'reports a trial that could not begin as failed, with the reason',
    async () => {
      leftToCi();
      needsLab();
      const rxp2p = file('rxp2p.mjs');
      const speechless = `if (process.argv[2] === 'listen') throw new Error('no words'); else await import('${RXP2P}');`;
      writeFileSync(rxp2p, speechless);
      const [result] = await measure([['public', 'public']], { rxp2p });
      const [trial] = result?.trials ?? [];
      expect(trial?.ok).toBeFalse();
      expect(trial?.ok === false && trial.reason).toMatch(/the trial could not begin: .*no words/s);
    },
    LAB_LIMIT_MS,
  );

  it(
    'does not mind a dialer that ends as soon as its time begins',
    async () => {
      needsLab();
      await run().with(planNetwork(NETWORKS.public), DEFAULT_PATH, async (topology) => {
        const dialer = topology.run('a', ['sh', '-c', `echo '{"event":"connecting"}' >&2`]);
        await dialer.exited;
        await expectAsync(raisePriority(dialer)).toBeResolved();
      });
    },
    LAB_LIMIT_MS,
  );

  it(
    'fails when its servers do not start',
    async () => {
      needsLab();
      await expectAsync(measure([['public', 'public']], { rxp2p: '/nowhere/rxp2p.js' })).toBeRejectedWithError(
        /MODULE_NOT_FOUND/,
      );
    },
    LAB_LIMIT_MS,
  );
});
