import { spawn, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { firstValueFrom, lastValueFrom, mergeMap, take } from 'rxjs';
import { FILES_CHANNEL, receiveFiles$, sendFiles$ } from '../../lib/index.js';
import { textOf, type Role, type Start, type Values } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { oneOf, rxp2pNet } from './nodes.js';
import { ratioOf, type Ratio } from './ratio.js';
import { RXP2P } from '../support/program.js';
import { freePort } from '../support/free-port.js';

const LARGE_BYTES = 1_000_000_000;
const SMALL_FILES = 20_000;
const SMALL_BYTES = 1_024;
const ROUNDS = 3;

/** A file system in memory, where there is one: else the disk would be measured. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const BYTES_NAME = 'bytes';

/** The memory of processes is looked at so often, in milliseconds; the system remembers the most. */
const WATCH_MS = 20;

/** Files over one connection, beside the same bytes without names and digests, and beside tar and netcat in the clear. */
export const files: Benchmark = {
  name: 'files',
  about: `files from one folder to another, from connecting to the end, in two processes: one of ${LARGE_BYTES / 1e6} MB of noise in memory, and ${SMALL_FILES} of ${SMALL_BYTES} bytes in memory and on the disk; sendFiles$ and receiveFiles$ beside a stream of toDuplex() from file to file, and beside tar through nc; ${ROUNDS} rounds in turns`,
  roles: { receiver: (kind) => oneOf(RECEIVERS, kind)(), sender: (kind) => oneOf(SENDERS, kind)() },
  measure,
};

const RECEIVERS: Readonly<Record<string, () => ReturnType<Role>>> = {
  files: () => {
    const net = rxp2pNet();
    return {
      listen: async (values) => {
        const into = textOf(values, 'into');
        const done = lastValueFrom(
          net.channels$(FILES_CHANNEL).pipe(
            take(1),
            mergeMap((channel) => receiveFiles$(channel, { into })),
          ),
        );
        ends.push(done);
        return { where: await firstValueFrom(net.unl$) };
      },
      wait: waitForEnd,
    };
  },
  stream: () => {
    const net = rxp2pNet();
    return {
      listen: async (values) => {
        const path = join(textOf(values, 'into'), 'big');
        const done = firstValueFrom(net.channels$(BYTES_NAME)).then((channel) =>
          pipeline(channel.toDuplex(), createWriteStream(path, { highWaterMark: 1_048_576 })),
        );
        ends.push(done);
        return { where: await firstValueFrom(net.unl$) };
      },
      wait: waitForEnd,
    };
  },
};

/** What the process works on. */
const ends: Promise<unknown>[] = [];

const waitForEnd = async (): Promise<Values> => {
  await Promise.all(ends);
  return {};
};

const SENDERS: Readonly<Record<string, () => ReturnType<Role>>> = {
  files: () => ({
    send: async (values) => {
      const connection = await firstValueFrom(rxp2pNet().connect$(textOf(values, 'where')));
      await lastValueFrom(sendFiles$(connection.openChannel(FILES_CHANNEL), [textOf(values, 'path')]));
      return {};
    },
  }),
  stream: () => ({
    send: async (values) => {
      const connection = await firstValueFrom(rxp2pNet().connect$(textOf(values, 'where')));
      const stream = connection.openChannel(BYTES_NAME).toDuplex();
      await pipeline(createReadStream(textOf(values, 'path'), { highWaterMark: 262_144 }), stream);
      return {};
    },
  }),
};

async function* measure(start: Start): AsyncGenerator<Ratio> {
  const [inMemory, onDisk] = [MEMORY, tmpdir()].map((place) => mkdtempSync(join(place, 'rxp2p-bench-')));
  if (inMemory === undefined || onDisk === undefined) throw new Error('Expected two folders');
  try {
    const [big, small, smallOnDisk] = [join(inMemory, 'big'), join(inMemory, 'small'), join(onDisk, 'small')];
    writeLarge(big);
    for (const folder of [small, smallOnDisk]) writeSmall(folder);
    const hasNetcat = spawnSync('nc', ['-h']).error === undefined;
    const all: Seconds = { large: [], stream: [], small: [], tar: [], smallOnDisk: [], tarOnDisk: [] };
    for (let round = 0; round < ROUNDS; round++) {
      all.large.push(await carried(start, 'files', big, inMemory));
      all.stream.push(await carried(start, 'stream', big, inMemory));
      all.small.push(await carried(start, 'files', small, inMemory));
      all.smallOnDisk.push(await carried(start, 'files', smallOnDisk, onDisk));
      if (!hasNetcat) continue;
      all.tar.push(await tarred(small, inMemory));
      all.tarOnDisk.push(await tarred(smallOnDisk, onDisk));
    }
    yield ratioOf({
      what: `bytes a second of one file of ${LARGE_BYTES / 1e6} MB, sendFiles$ : toDuplex() from file to file`,
      ours: all.large.map((each) => LARGE_BYTES / each),
      other: all.stream.map((each) => LARGE_BYTES / each),
      show: (rate) => `${(rate / 1e6).toFixed(0)} MB/s`,
    });
    const files = (each: number) => SMALL_FILES / each;
    const show = (rate: number) => `${rate.toFixed(0)}/s`;
    if (hasNetcat) {
      const what = `files a second of ${SMALL_FILES} of 1 KiB`;
      const [ours, other] = [all.smallOnDisk.map(files), all.tarOnDisk.map(files)];
      yield ratioOf({ what: `${what} on disk, sendFiles$ : tar | nc`, ours, other, show, target: { atLeast: 0.5 } });
      yield ratioOf({
        what: `${what} in memory, sendFiles$ : tar | nc`,
        ours: all.small.map(files),
        other: all.tar.map(files),
        show,
      });
    }
    for (const [what, path] of [
      ['one large file', big],
      [`${SMALL_FILES} small ones`, small],
    ] as const) {
      yield ratioOf({
        what: `most memory of rxp2p send and of receive, ${what} : 150 MiB`,
        ours: [await memoryOf(path, inMemory)],
        other: [150],
        show: (each) => `${each.toFixed(0)} MiB`,
        target: { atMost: 1 },
      });
    }
  } finally {
    for (const folder of [inMemory, onDisk]) rmSync(folder, { recursive: true });
  }
}

/** By each way, round by round. */
type Seconds = Record<'large' | 'stream' | 'small' | 'tar' | 'smallOnDisk' | 'tarOnDisk', number[]>;

/** Has two processes carry something, in one of the ways; resolves to the seconds that it takes. */
async function carried(start: Start, kind: string, path: string, folder: string): Promise<number> {
  const into = mkdtempSync(join(folder, 'into-'));
  const [to, from] = [start('receiver', kind), start('sender', kind)];
  const where = textOf(await to.ask('listen', { into }), 'where');
  const begun = performance.now();
  await Promise.all([from.ask('send', { where, path }), to.ask('wait')]);
  const took = (performance.now() - begun) / 1_000;
  await Promise.all([from.end(), to.end()]);
  rmSync(into, { recursive: true });
  return took;
}

/** Has the command line carry something; resolves to the most memory that one side had resident, in MiB. Linux. */
async function memoryOf(path: string, folder: string): Promise<number> {
  const into = mkdtempSync(join(folder, 'into-'));
  const run = (...args: string[]) =>
    spawn(process.execPath, [RXP2P, ...args, '--bind', '127.0.0.1', '--json'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const sender = run('send', path);
  const chunks: unknown[] = await once(sender.stdout, 'data');
  const receiver = run('receive', String(chunks[0]).trim(), '--yes', '--into', into);
  let peak = 0;
  const both = [sender, receiver];
  const watching = setInterval(() => {
    for (const { pid } of both) peak = Math.max(peak, peakOf(pid));
  }, WATCH_MS);
  await Promise.all(both.map((child) => once(child, 'exit')));
  clearInterval(watching);
  rmSync(into, { recursive: true });
  return peak;
}

/** The most memory that a process has had resident so far, in MiB; 0 when it is gone. */
function peakOf(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid ?? 0}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_024;
  } catch {
    return 0;
  }
}

function writeLarge(path: string): void {
  const block = Buffer.alloc(1_000_000);
  for (let at = 0; at < LARGE_BYTES; at += block.length) writeFileSync(path, randomFillSync(block), { flag: 'a' });
}

function writeSmall(folder: string): void {
  mkdirSync(folder);
  const block = Buffer.alloc(SMALL_BYTES);
  for (let index = 0; index < SMALL_FILES; index++) writeFileSync(join(folder, String(index)), randomFillSync(block));
}

/** Has tar carry a folder through netcat; resolves to the seconds that it takes. */
async function tarred(small: string, folder: string): Promise<number> {
  const into = mkdtempSync(join(folder, 'into-'));
  const port = await freePort();
  const receiver = spawn('sh', ['-c', `nc -l 127.0.0.1 ${port} | tar x -C "$1"`, 'sh', into], { stdio: 'ignore' });
  const gone = once(receiver, 'exit');
  // Netcat does not tell when it listens.
  await pause(200);
  const begun = performance.now();
  spawn('sh', ['-c', `tar c -C "$1" . | nc -N 127.0.0.1 ${port}`, 'sh', small], { stdio: 'ignore' });
  await gone;
  const took = (performance.now() - begun) / 1_000;
  rmSync(into, { recursive: true });
  return took;
}
