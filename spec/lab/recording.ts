/** Programs of the command line as they run in the lab, with what their terminals show, as pictures. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_PATH } from './path.js';
import { planPair, planPairs } from './plan.js';
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
    const broken = lines.flatMap(({ text, ...line }) => wrapped(text, COLUMNS).map((row) => ({ ...line, text: row })));
    return renderTerminals([{ title: 'a laptop behind a home router', lines: [...typed, ...broken] }], {
      title: 'rxp2p doctor',
      about: lines.map(({ text }) => text).join('\n'),
    });
  });

/** In Mbit/s: so that there is something to see. */
const BANDWIDTH = 20;

const PHOTOS = 6;
const PHOTO_BYTES = 2_500_000;

/** What `rxp2p send` and `rxp2p receive` say, each behind a home router: begun by a relay, and moved to a direct path. */
export const recordTransfer = (run: Run): Promise<string> =>
  run.with(planPair(['preserving', 'preserving']), { ...DEFAULT_PATH, bandwidth: BANDWIDTH }, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    const [here, there] = ['here', 'there'].map((name) => join(run.directory, name));
    mkdirSync(join(here ?? '', 'holiday'), { recursive: true });
    mkdirSync(there ?? '');
    for (let photo = 1; photo <= PHOTOS; photo++)
      writeFileSync(join(here ?? '', 'holiday', `photo-${photo}.jpg`), randomBytes(PHOTO_BYTES));
    // A punch may be as fast as the relay; here it comes too late.
    await topology.cut('a', 'b');
    const begun = performance.now();
    const start = (host: string, folder = '', ...args: string[]) =>
      topology.run(host, [
        'sh',
        '-c',
        'cd "$0" && exec "$@"',
        folder,
        process.execPath,
        RXP2P,
        ...args,
        ...meetingPlaces(topology, host),
      ]);
    const sender = start('a', here, 'send', 'holiday/');
    const sending = shownOf(sender, begun);
    const { text: code } = await sender.line(() => true);
    const typedAt = performance.now();
    const receiver = start('b', there, 'receive', code, '--yes');
    const receiving = shownOf(receiver, begun);
    await receiver.line((text) => /MB of .*relay/.test(text), receiver.stderr$);
    await topology.mend();
    const [sent, received] = await Promise.all([sending, receiving]);
    const short = ({ text, ...line }: ShownLine) =>
      wrapped(text.replaceAll(/ --rendezvous \S+/g, ' --rendezvous …'), COLUMNS).map((row) => ({
        ...line,
        text: row,
      }));
    const typed = (text: string, atMs = 0) => short({ atMs, text: `$ ${text}`, isTyped: true });
    const terminals = [
      {
        title: 'a laptop behind a home router',
        // The lab names its servers by options: they would fill the line.
        lines: [...typed('export RXP2P_RENDEZVOUS=…'), ...typed('rxp2p send holiday/'), ...sent.flatMap(short)],
      },
      {
        title: 'another, behind another',
        lines: [
          ...typed(`rxp2p receive ${code} --rendezvous … --yes`, Math.round(typedAt - begun)),
          ...received.flatMap(short),
        ],
      },
    ];
    return renderTerminals(terminals, {
      title: 'rxp2p send and rxp2p receive',
      about: terminals.flatMap(({ lines }) => lines.map(({ text }) => text)).join('\n'),
    });
  });

/** All that a program writes until it ends, unbroken. */
const shownOf = async (program: Program, begun: number): Promise<readonly ShownLine[]> => {
  const said: Line[] = [];
  const add = (line: Line) => said.push(line);
  const reading = [program.stderr$, program.stdout$].map((line$) => line$.subscribe(add));
  await program.exited;
  for (const each of reading) each.unsubscribe();
  return (
    said
      .toSorted((one, other) => one.at - other.at)
      // What comes at one moment is shown at one moment.
      .map(({ text, at }) => ({ atMs: Math.round((at - begun) / 100) * 100, text }))
  );
};
