/** Whether files go by a code from one machine of a network to another, with no server and no way out. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filter, firstValueFrom, map } from 'rxjs';
import { DEFAULT_PATH } from './path.js';
import { planPair } from './plan.js';
import { fieldsOf } from './programs.js';
import { Run } from './run.js';
import { RXP2P } from './servers.js';
import { canRunLab, LAB_LIMIT_MS, needsLab } from './support.js';

describe('A code on one network', () => {
  let run: Run;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  it(
    'brings a file from one machine to the other, with no server and no way out',
    async () => {
      needsLab();
      await run.with(planPair(['same-lan']), DEFAULT_PATH, async (topology) => {
        for (const host of ['a', 'b']) {
          expect((await topology.run(host, ['ip', 'route', 'del', 'default']).exited).code).toBe(0);
        }
        const [letter, into] = [join(run.directory, 'letter.txt'), join(run.directory, 'into')];
        writeFileSync(letter, 'Dear Bob');
        mkdirSync(into);
        // The lab's other programs keep to its servers.
        const rxp2p = (host: string, ...args: readonly string[]) =>
          topology.run(host, ['env', '-u', 'RXP2P_LAN', process.execPath, RXP2P, ...args, '--json']);
        const sender = rxp2p('a', 'send', letter);
        const shown$ = fieldsOf(sender.stderr$).pipe(filter(({ event }) => event === 'code'));
        const code = await firstValueFrom(shown$.pipe(map((fields) => String(fields['code']))));
        const receiver = rxp2p('b', 'receive', code, '--yes', '--into', into);
        expect((await receiver.exited).code).toBe(0);
        expect((await sender.exited).code).toBe(0);
        expect(readFileSync(join(into, 'letter.txt'), 'utf8')).toBe('Dear Bob');
      });
    },
    LAB_LIMIT_MS,
  );
});
