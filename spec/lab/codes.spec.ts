/** Whether files go by a code: on one network with no server and no way out, and between two NATs by the commands of the README. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filter, firstValueFrom, map } from 'rxjs';
import { labRun } from './lab-run.js';
import { DEFAULT_PATH } from './path.js';
import { planPair } from './plan.js';
import { fieldsOf } from './programs.js';
import { meetingPlaces, RXP2P, startServers } from './servers.js';
import { LAB_LIMIT_MS, needsLab } from './support.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('A code', () => {
  const run = labRun();

  it(
    'brings a file from one machine of a network to another, with no server and no way out',
    async () => {
      leftToCi();
      needsLab();
      await run().with(planPair(['same-lan']), DEFAULT_PATH, async (topology) => {
        for (const host of ['a', 'b']) {
          expect((await topology.run(host, ['ip', 'route', 'del', 'default']).exited).code).toBe(0);
        }
        const [letter, into] = [join(run().directory, 'letter.txt'), join(run().directory, 'into')];
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

  it(
    'brings a folder from one NAT to another within two minutes, by the commands of the README',
    async () => {
      leftToCi();
      needsLab();
      await run().with(planPair(['preserving', 'preserving']), DEFAULT_PATH, async (topology) => {
        await startServers(topology, { rxp2p: RXP2P });
        const [here, there] = [join(run().directory, 'here'), join(run().directory, 'there')];
        mkdirSync(join(here, 'holiday'), { recursive: true });
        mkdirSync(there);
        writeFileSync(join(here, 'holiday', 'photo.jpg'), randomBytes(100_000));
        const typed = (host: string, folder: string, ...args: readonly string[]) =>
          topology.run(host, ['sh', '-c', 'cd "$0" && exec "$@"', folder, process.execPath, RXP2P, ...args]);
        const begun = performance.now();
        const sender = typed('a', here, 'send', 'holiday/', ...meetingPlaces(topology, 'a'));
        const { text: code } = await sender.line(() => true);
        expect(code).toMatch(/^\d+-[a-z]+-[a-z]+$/);
        const receiver = typed('b', there, 'receive', code, '--yes', ...meetingPlaces(topology, 'b'));
        expect((await receiver.exited).code).toBe(0);
        expect((await sender.exited).code).toBe(0);
        const seconds = (performance.now() - begun) / 1_000;
        expect(seconds).toBeLessThan(120);
        console.log(`from the first command of the README to a folder behind another NAT: ${seconds.toFixed(1)} s`);
        const [sent, received] = [here, there].map((folder) => readFileSync(join(folder, 'holiday', 'photo.jpg')));
        expect(received).toEqual(sent);
      });
    },
    LAB_LIMIT_MS,
  );
});
