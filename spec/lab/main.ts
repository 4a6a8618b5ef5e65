/** `npm run lab -- <command>`: the lab's command line. */
import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { lastValueFrom, tap, toArray } from 'rxjs';
import {
  ALL_NETWORKS,
  allPairs,
  parseInteger,
  parseNetworks,
  parseNumber,
  parsePairs,
  splitCommand,
  toPair,
} from './arguments.js';
import { carryFiles, FILES_LOAD, type FilesLoad } from './files.js';
import { matrix$ } from './matrix.js';
import { notConnected, notDirect, parseMatrixResult, type MatrixResult, type PairResult } from './measurement.js';
import { sweep } from './namespace.js';
import { describeOpenings, measureOpenings } from './opening.js';
import { NETWORKS, SHARED_NETWORKS, type NetworkName, type SharedNetworkName } from './networks.js';
import { CARRIER_NAMES, type CarrierName } from '../../lib/signalling/carrier.js';
import { describeSide, move } from './moving.js';
import { DEFAULT_PATH, describeWire, type PathConfig } from './path.js';
import { renderPicture, SMALL, WHOLE } from './picture.js';
import type { Pair } from './plan.js';
import { missingPrerequisites } from './prerequisites.js';
import { RECORDED_REPORT_NAMES, recordReport } from './recorded-reports.js';
import { recordDoctor, recordTransfer } from './recording.js';
import { Run } from './run.js';
import { check$, describeReport, type Report } from './self-check.js';
import { RXP2P } from './servers.js';
import { openShell } from './shell.js';
import { sideBySide$ } from './side-by-side.js';
import { describePair, insertTable, renderTable } from './table.js';
import { isTrouble, LOAD, transfer, TROUBLES, type Transfer, type TroubleName } from './transfer.js';

const EXIT_FAILED = 1;

/** What `record` makes, by file. */
const RECORDINGS: Readonly<Record<string, (run: Run) => Promise<string>>> = {
  'doctor.svg': recordDoctor,
  'transfer.svg': recordTransfer,
  ...Object.fromEntries(RECORDED_REPORT_NAMES.map((name) => [name, (run: Run) => recordReport(run, name)])),
};

interface PathOptions {
  readonly delay: number;
  readonly jitter: number;
  readonly loss: number;
  readonly bandwidth?: number;
}

interface MatrixOptions extends PathOptions {
  readonly networks: (NetworkName | SharedNetworkName)[];
  readonly pairs?: Pair[];
  readonly repeat: number;
  readonly parallel: number;
  readonly carrier: CarrierName;
  readonly timeout: number;
  readonly settle: number;
  readonly rxp2p: string;
  readonly json?: string;
  readonly must?: Pair[];
  readonly connected?: true;
}

interface TransferOptions {
  readonly parallel: number;
  readonly megabytes: number;
  readonly bandwidth: number;
  readonly story?: true;
}

const main = async (argv: readonly string[]): Promise<void> => {
  const { own, command } = splitCommand(argv);
  const program = new Command('npm run lab --')
    .description('Networks of every kind on this machine, in namespaces, to try rxp2p in. Linux and root.')
    .showHelpAfterError();

  program
    .command('list')
    .description('name every network')
    .action(() => {
      for (const [name, { about }] of Object.entries({ ...NETWORKS, ...SHARED_NETWORKS }))
        console.log(`${name.padEnd(20)}${about}`);
    });

  withPath(program.command('shell <networks...>'))
    .description(
      'bring up two networks (or one that both hosts share) and give a prompt in a host, or run what follows `--`',
    )
    .option(
      '--host <name>',
      'a, b, or one of the servers s1 and s2',
      oneOf('--host', ['a', 'b', 's1', 's2'] as const),
      'a',
    )
    .action(async (networks: string[], options: PathOptions & { host: 'a' | 'b' | 's1' | 's2' }) => {
      const pair = toPair(networks);
      process.exitCode = await withRun((run) => openShell(run, pair, toPath(options), options.host, command));
    });

  program
    .command('check')
    .description('prove that each network is what it says')
    .addOption(networksOption('only these'))
    .option('--parallel <n>', 'so many side by side', argument(parseInteger('--parallel', 1, 64)), 6)
    .action(async ({ networks, parallel }: { networks: (NetworkName | SharedNetworkName)[]; parallel: number }) => {
      const reports = await withRun((run) => {
        const print = (report: Report) => {
          console.log(describeReport(report));
        };
        return lastValueFrom(check$(run, networks, parallel).pipe(tap(print), toArray()), { defaultValue: [] });
      });
      if (reports.some(({ findings }) => findings.some(({ ok }) => !ok))) process.exitCode = EXIT_FAILED;
    });

  withPath(program.command('matrix'))
    .description('connect pairs of networks with the real rxp2p, and print a table of how and how fast')
    .addOption(networksOption('each of these with each'))
    .option(
      '--pairs <a:b,c,…>',
      'only these pairs: the dialer’s network and the listener’s, or one that both share',
      argument(parsePairs),
    )
    .option('--repeat <n>', 'connect so often', argument(parseInteger('--repeat', 1, 1000)), 1)
    .option('--parallel <n>', 'so many pairs side by side', argument(parseInteger('--parallel', 1, 64)), 2)
    .option('--timeout <seconds>', 'for each connect', argument(parseNumber('--timeout', 1, 600)), 10)
    .option(
      '--settle <seconds>',
      'how long each stays after its first line for the path to become direct',
      argument(parseNumber('--settle', 0, 600)),
      3,
    )
    .addOption(new Option('--carrier <name>', 'what carries signals').choices(CARRIER_NAMES).default('rendezvous'))
    .addOption(new Option('--rxp2p <file>', 'the program under test').default(RXP2P, 'the one just built'))
    .option('--json <file>', 'write the results there')
    .option(
      '--must <a:b,c,…>',
      'fail unless each of these pairs was direct in the end every time',
      argument(parsePairs),
    )
    .option('--connected', 'fail unless every pair connected every time')
    .action(async (options: MatrixOptions) => {
      const result = await withRun((run) => runMatrix(run, options));
      console.log(`\n${renderTable(result)}`);
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`);
      const named = (pairs: readonly (readonly string[])[]) => pairs.map((pair) => pair.join(':')).join(', ');
      const [broken, lost] = [notDirect(result, options.must ?? []), options.connected ? notConnected(result) : []];
      if (broken.length > 0) console.error(`Not direct, but must be: ${named(broken)}`);
      if (lost.length > 0) console.error(`Not connected every time, but must be: ${named(lost)}`);
      if (broken.length + lost.length > 0) process.exitCode = EXIT_FAILED;
    });

  program
    .command('table <file>')
    .description('make the Markdown table from the JSON of a matrix')
    .option(
      '--docs <folder>',
      'write it into measured.md there, between its two marker comments, and draw the pictures',
    )
    .action((file: string, { docs }: { docs?: string }) => {
      const result = parseMatrixResult(readFileSync(file, 'utf8'));
      const table = renderTable(result);
      if (docs === undefined) {
        console.log(table);
        return;
      }
      const page = join(docs, 'measured.md');
      writeFileSync(page, insertTable(readFileSync(page, 'utf8'), table));
      writeFileSync(join(docs, 'measured', 'matrix.svg'), renderPicture(result, WHOLE));
      writeFileSync(join(docs, 'measured', 'matrix-small.svg'), renderPicture(result, SMALL));
    });

  withPath(program.command('openings'))
    .description('how long each port mapping protocol takes, beside upnpc and natpmpc (packages miniupnpc, natpmpc)')
    .option('--repeat <n>', 'rounds', argument(parseInteger('--repeat', 1, 100)), 5)
    .action(async ({ repeat, ...path }: PathOptions & { repeat: number }) => {
      console.log(describeOpenings(await withRun((run) => measureOpenings(run, toPath(path), repeat))));
    });

  withPath(program.command('move [networks...]'))
    .description(
      'send numbered lines both ways while the path moves: relay, direct, relay (the direct way is cut), direct (mended)',
    )
    .option('--lines <n>', 'each way', argument(parseInteger('--lines', 1, 1e9)), 1_000_000)
    .action(async (networks: string[], { lines, ...path }: PathOptions & { lines: number }) => {
      const pair = toPair(networks.length === 0 ? ['preserving', 'preserving'] : networks);
      const sides = await withRun((run) => move(run, { pair, path: toPath(path), lines }));
      for (const [name, side] of Object.entries(sides)) console.log(`${name}: ${describeSide(side)}`);
      const isWhole = Object.values(sides).every(({ count, fault }) => count === lines && fault === null);
      if (!isWhole) process.exitCode = EXIT_FAILED;
    });

  program
    .command('transfer [troubles...]')
    .description(
      `carry a file by rxp2p, and have something fail and come back in the middle: ${Object.entries(TROUBLES)
        .map(([name, { about }]) => `${name} (${about})`)
        .join(', ')}`,
    )
    .option('--parallel <n>', 'so many side by side', argument(parseInteger('--parallel', 1, 64)), 1)
    .option('--megabytes <n>', 'so much', argument(parseNumber('--megabytes', 1, 10_000)), LOAD.bytes / 1_000_000)
    .option(
      '--bandwidth <mbit>',
      'megabits a second, each way',
      argument(parseNumber('--bandwidth', 0.01, 100_000)),
      LOAD.bandwidth,
    )
    .option('--story', 'tell what both sides said, also where all arrived')
    .action(async (names: string[], { parallel, megabytes, bandwidth, story }: TransferOptions) => {
      const wanted = names.length === 0 ? Object.keys(TROUBLES).filter(isTrouble) : names.map(parseTrouble);
      const load = { bytes: megabytes * 1_000_000, bandwidth };
      const print = ({ name, ok, end, ms, stillMs, leastMs, story: told }: Transfer & { name: TroubleName }) => {
        console.log(
          `${name}: ${ok ? 'whole' : 'FAILED'}, ${end}, ${ms.toFixed(0)} ms after the trouble: it moved again after ${stillMs.toFixed(0)} ms, ` +
            `and the line takes ${leastMs.toFixed(0)} ms for the rest at least`,
        );
        if (!ok || story) console.log(told);
      };
      const transfers = await withRun((run) => {
        const work = async (name: TroubleName) => ({ name, ...(await transfer(run, name, load)) });
        return lastValueFrom(sideBySide$(wanted, { parallel, needs: () => [], work }).pipe(tap(print), toArray()));
      });
      if (transfers.some(({ ok }) => !ok)) process.exitCode = EXIT_FAILED;
    });

  program
    .command('files [networks...]')
    .description(
      'send a folder by rxp2p send and receive: begun by the relay, moved to a direct path, the cable out, both sides killed',
    )
    .option('--megabytes <n>', 'of one file', argument(parseInteger('--megabytes', 1, 10_000)), FILES_LOAD.megabytes)
    .option(
      '--sparse <n>',
      'megabytes of another, which takes no room on the disk',
      argument(parseInteger('--sparse', 0, 10_000)),
      FILES_LOAD.sparse,
    )
    .option('--files <n>', 'of 1 KiB, beside it', argument(parseInteger('--files', 0, 100_000)), FILES_LOAD.files)
    .option(
      '--bandwidth <mbit>',
      'megabits a second, each way',
      argument(parseNumber('--bandwidth', 0.01, 100_000)),
      FILES_LOAD.bandwidth,
    )
    .option(
      '--out <seconds>',
      'how long the cable is out',
      argument(parseNumber('--out', 0, 600)),
      FILES_LOAD.outMs / 1_000,
    )
    .action(async (networks: string[], { out, ...load }: Omit<FilesLoad, 'pair' | 'outMs'> & { out: number }) => {
      const pair = toPair(networks.length === 0 ? FILES_LOAD.pair : networks);
      const { ok, steps, story } = await withRun((run) => carryFiles(run, { ...load, pair, outMs: out * 1_000 }));
      console.log(steps.join('\n'));
      console.log(ok ? 'whole' : `FAILED\n${story}`);
      if (!ok) process.exitCode = EXIT_FAILED;
    });

  program
    .command('record')
    .description(
      'run rxp2p doctor, send and receive behind home routers, and draw what their terminals show; have connect write reports',
    )
    .option('--only <files...>', `some of ${Object.keys(RECORDINGS).join(', ')}`, Object.keys(RECORDINGS))
    .requiredOption('--docs <folder>', 'write the files into recordings/ there')
    .action(async ({ docs, only }: { docs: string; only: string[] }) => {
      await withRun(async (run) => {
        for (const [name, record] of Object.entries(RECORDINGS))
          if (only.includes(name)) writeFileSync(join(docs, 'recordings', name), await record(run));
      });
    });

  program
    .command('clean')
    .description('remove what killed runs left behind; every other command does so too before it begins')
    .action(async () => {
      const dead = await sweep();
      console.log(dead.length === 0 ? 'Nothing was left behind.' : `Removed what was left of ${dead.join(', ')}.`);
    });

  await program.parseAsync(own, { from: 'user' });
};

const runMatrix = async (run: Run, options: MatrixOptions): Promise<MatrixResult> => {
  const path = toPath(options);
  const config = { ...options, path, pairs: options.pairs ?? allPairs(options.networks) };
  const print = (pair: PairResult) => {
    console.log(describePair(pair));
  };
  const results = await lastValueFrom(matrix$(run, config).pipe(tap(print), toArray()), { defaultValue: [] });
  const order = config.pairs.map(String);
  return {
    wire: describeWire[run.wire],
    delayMs: path.delay,
    jitterMs: path.jitter,
    loss: path.loss,
    bandwidthMbit: path.bandwidth ?? null,
    repeat: options.repeat,
    pairs: results.toSorted((one, other) => order.indexOf(String(one.pair)) - order.indexOf(String(other.pair))),
  };
};

/** Opens a run of the lab for a command, and closes it whatever happens: at its end, at an error, at Ctrl-C. */
const withRun = async <T>(use: (run: Run) => Promise<T>): Promise<T> => {
  const missing = missingPrerequisites();
  if (missing.length > 0) throw new Error(`The lab can't run here. It needs ${missing.join('; ')}.`);
  const opening = Run.open();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Not only once: an impatient second Ctrl-C must not end the clean-up.
    process.on(signal, () => {
      interrupted = true;
      const closing = opening.then((run) => run.close());
      void closing.finally(() => process.exit(128 + constants.signals[signal]));
    });
  }
  const run = await opening;
  if (run.swept.length > 0) console.error(`Cleaned after ${run.swept.join(', ')}.`);
  console.error(`Lines are delayed by ${describeWire[run.wire]}.`);
  try {
    return await use(run);
  } finally {
    await run.close();
  }
};

const networksOption = (description: string): Option =>
  new Option('--networks <a,b,…>', description).argParser(argument(parseNetworks)).default(ALL_NETWORKS, 'all');

const withPath = (command: Command): Command =>
  command
    .option(
      '--delay <ms>',
      'one way, on each access line',
      argument(parseNumber('--delay', 0, 10_000)),
      DEFAULT_PATH.delay,
    )
    .option(
      '--jitter <ms>',
      'up to so much more or less',
      argument(parseNumber('--jitter', 0, 10_000)),
      DEFAULT_PATH.jitter,
    )
    .option(
      '--loss <share>',
      'of packets, each way on each access line, 0 to 1',
      argument(parseNumber('--loss', 0, 1)),
      DEFAULT_PATH.loss,
    )
    .option('--bandwidth <mbit>', 'megabits a second, each way', argument(parseNumber('--bandwidth', 0.01, 100_000)));

const toPath = ({ delay, jitter, loss, bandwidth }: PathOptions): PathConfig => ({ delay, jitter, loss, bandwidth });

/** Lets commander say which argument was wrong, and how the command is used. */
const argument =
  <T>(parse: (text: string) => T) =>
  (text: string): T => {
    try {
      return parse(text);
    } catch (failure) {
      throw new InvalidArgumentError(failure instanceof Error ? failure.message : String(failure));
    }
  };

const parseTrouble = (name: string): TroubleName => {
  if (isTrouble(name)) return name;
  throw new Error(`Expected a trouble, one of ${Object.keys(TROUBLES).join(', ')}; got \`${name}\``);
};

const oneOf = <T extends string>(option: string, choices: readonly T[]) =>
  argument((text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined)
      throw new Error(`Expected \`${option}\` to be one of ${choices.join(', ')}; got \`${text}\``);
    return found;
  });

let interrupted = false;

main(process.argv.slice(2)).catch((failure: unknown) => {
  if (interrupted) return; // It failed because everything was taken down.
  console.error(failure instanceof Error ? failure.message : failure);
  process.exitCode = EXIT_FAILED;
});
