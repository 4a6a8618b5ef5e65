/** Reports that `rxp2p connect --report` writes in the lab, for the guide that explains one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_PATH } from './path.js';
import { planPair, type Pair } from './plan.js';
import type { Run } from './run.js';
import { meetingPlaces, RXP2P, startServers } from './servers.js';

/** What is reported, by the name of its file. */
const REPORTS = {
  // Hundreds of SYNs go out until one meets a port of the random side.
  'punch-opened.html': { pair: ['random', 'preserving'], isCut: false },
  // A firewall between the two drops whatever comes, so each punch fails and a relay stays.
  'punch-dropped.html': { pair: ['preserving', 'preserving'], isCut: true },
} as const satisfies Record<string, { readonly pair: Pair; readonly isCut: boolean }>;

type ReportName = keyof typeof REPORTS;

export const RECORDED_REPORT_NAMES: readonly ReportName[] = ['punch-opened.html', 'punch-dropped.html'];

/** The page that the node in host a writes when it has sent a line to the one in b by a punch, or failed to. */
export const recordReport = (run: Run, name: ReportName): Promise<string> => {
  const { pair, isCut } = REPORTS[name];
  return run.with(planPair(pair), DEFAULT_PATH, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    if (isCut) await topology.cut('a', 'b');
    const start = (host: string, ...args: string[]) =>
      topology.run(host, [process.execPath, RXP2P, ...args, ...meetingPlaces(topology, host)]);
    const listener = start('b', 'listen');
    const { text: unl } = await listener.line(() => true);
    const file = join(run.directory, name);
    const dialler = start('a', 'connect', unl, '--technique', 'simultaneous-open', '--report', file);
    // The connection ends when there is nothing to send.
    dialler.endInput();
    await dialler.exited;
    return readFileSync(file, 'utf8');
  });
};
