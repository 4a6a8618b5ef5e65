/** Programs of the command line as they run in the lab, with what their terminals show, as pictures. */
import { DEFAULT_PATH } from './path.js';
import { planPairs } from './plan.js';
import type { Line, Program } from './processes.js';
import type { Run } from './run.js';
import { meetingPlaces, RXP2P, startServers } from './servers.js';
import { renderTerminals, wrapped, type ShownLine } from './terminal.js';

/** As wide as a terminal is that nobody has made wider, and a little more. */
const COLUMNS = 110;

/** What `rxp2p doctor` says behind a home router that opens no port. */
export const recordDoctor = (run: Run): Promise<string> =>
  run.with(planPairs([['preserving', 'preserving']]), DEFAULT_PATH, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    const args = ['doctor', ...meetingPlaces(topology, 'a-preserving')];
    const begun = performance.now();
    const doctor = topology.run('a-preserving', [process.execPath, RXP2P, ...args]);
    const lines = await shownOf(doctor, begun);
    const typed = wrapped(`$ rxp2p ${args.join(' ')}`, COLUMNS).map((text) => ({ atMs: 0, text, isTyped: true }));
    return renderTerminals([{ title: 'a laptop behind a home router', lines: [...typed, ...lines] }], {
      title: 'rxp2p doctor',
      about: lines.map(({ text }) => text).join('\n'),
    });
  });

/** All that a program writes until it ends. */
const shownOf = async (program: Program, begun: number): Promise<readonly ShownLine[]> => {
  const said: Line[] = [];
  const add = (line: Line) => said.push(line);
  const reading = [program.stderr$, program.stdout$].map((line$) => line$.subscribe(add));
  await program.exited;
  for (const each of reading) each.unsubscribe();
  return said
    .toSorted((one, other) => one.at - other.at)
    .flatMap(({ text, at }) =>
      // What comes at one moment is shown at one moment.
      wrapped(text, COLUMNS).map((row) => ({ atMs: Math.round((at - begun) / 100) * 100, text: row })),
    );
};
