/** Has `rxp2p send` and `rxp2p receive` carry a folder between two NATs while everything goes wrong: paths, cables, and both programs. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_PATH } from './path.js';
import { planPair, type Pair } from './plan.js';
import type { Program } from './processes.js';
import { lastWords, said, type Fields } from './programs.js';
import type { Run } from './run.js';
import { meetingPlaces, RXP2P, START_MS, startServers } from './servers.js';
import type { Topology } from './topology.js';
import { within } from './within.js';

/** What is carried, and over which line. */
export interface FilesLoad {
  readonly pair: Pair;
  readonly megabytes: number;
  /** Megabytes of another, of which nothing but its last byte is on the disk. */
  readonly sparse: number;
  /** Files of 1 KiB beside the large one. */
  readonly files: number;
  /** In Mbit/s: so that there is a middle. */
  readonly bandwidth: number;
  /** How long the cable is out, in milliseconds. */
  readonly outMs: number;
}

export const FILES_LOAD: FilesLoad = {
  pair: ['preserving', 'preserving'],
  megabytes: 60,
  sparse: 0,
  files: 200,
  bandwidth: 40,
  outMs: 5_000,
};

/** What became of it. */
export interface FilesTransfer {
  /** Whether all arrived, byte for byte, and both programs ended well. */
  readonly ok: boolean;
  /** What happened, each with the milliseconds from the beginning. */
  readonly steps: readonly string[];
  /** What the last of both sides have told last. */
  readonly story: string;
}

/** For a direct path to be tried again, for a dead link to be noticed, and for what is left to arrive. */
const PATIENCE_MS = 180_000;

/** Carries a folder: begun by the relay, moved to a direct path, with the cable out, the receiver killed, and then the sender. */
export const carryFiles = (run: Run, load: FilesLoad): Promise<FilesTransfer> =>
  run.with(planPair(load.pair), { ...DEFAULT_PATH, bandwidth: load.bandwidth }, async (topology) => {
    await startServers(topology, { rxp2p: RXP2P });
    const [sent, into] = [join(run.directory, 'files-sent'), join(run.directory, 'files-into')];
    write(sent, load);
    // A punch may be as fast as the relay; here it comes too late.
    await topology.cut('a', 'b');
    const begun = performance.now();
    const steps: string[] = [];
    const step = (what: string) => steps.push(`${what} (${(performance.now() - begun).toFixed(0)} ms)`);
    const key = join(run.directory, 'files-key');
    const send = () => rxp2p(topology, 'a', 'send', sent, '--ticket', '--key', key, '--port', '4100');
    let sender = send();
    const { ticket } = await event(sender, START_MS, is('ready'));
    const receive = () => rxp2p(topology, 'b', 'receive', String(ticket), '--yes', '--into', into);
    let receiver = receive();
    try {
      await event(receiver, PATIENCE_MS, (fields) => is('connected')(fields) && fields['direct'] === false);
      await event(receiver, PATIENCE_MS, isPast(0));
      step('contents come by the relay');
      await topology.mend();
      await event(receiver, PATIENCE_MS, (fields) => is('path')(fields) && fields['direct'] === true);
      step('they come directly');
      await topology.unplug('b');
      await delay(load.outMs);
      await topology.plug('b');
      const after = await event(receiver, START_MS, is('progress'));
      await event(receiver, PATIENCE_MS, isPast(Number(after['bytes'])));
      step(`they come again, ${load.outMs} ms without a cable later`);
      await receiver.kill('SIGKILL');
      receiver = receive();
      const { bytes } = await event(receiver, PATIENCE_MS, is('started'));
      await event(receiver, PATIENCE_MS, isPast(0));
      step(`the receiver was killed and goes on, ${String(bytes)} bytes are left`);
      await sender.kill('SIGKILL');
      sender = send();
      const exits = await within(PATIENCE_MS, Promise.all([receiver.exited, sender.exited]));
      step('the sender was killed and has gone on, all is there');
      const isWhole = (await digestOf(join(into, 'files-sent'))) === (await digestOf(sent));
      const ok = isWhole && exits.every(({ code }) => code === 0) && readdirSync(into).length === 1;
      return { ok, steps, story: storyOf(sender, receiver) };
    } catch (cause) {
      throw new Error(`${steps.join('; ')}\n${storyOf(sender, receiver)}`, { cause });
    } finally {
      await Promise.all([sender.kill(), receiver.kill()]);
    }
  });

const storyOf = (sender: Program, receiver: Program): string =>
  `sender:\n  ${lastWords(sender)}\nreceiver:\n  ${lastWords(receiver)}`;

const rxp2p = (topology: Topology, host: string, ...args: string[]): Program =>
  topology.run(host, [process.execPath, RXP2P, ...args, ...meetingPlaces(topology, host), '--json']);

const is =
  (kind: string) =>
  ({ event: name }: Fields): boolean =>
    name === kind;

const isPast =
  (bytes: number) =>
  (fields: Fields): boolean =>
    fields['event'] === 'progress' && Number(fields['bytes']) > bytes;

const event = (program: Program, ms: number, isWanted: (fields: Fields) => boolean): Promise<Fields> =>
  within(ms, said(program.stderr$, isWanted));

const write = (folder: string, { megabytes, sparse, files }: FilesLoad): void => {
  mkdirSync(join(folder, 'small'), { recursive: true });
  const block = 1_000_000;
  for (let at = 0; at < megabytes; at++) writeFileSync(join(folder, 'big'), randomBytes(block), { flag: 'a' });
  if (sparse > 0) {
    const path = join(folder, 'sparse');
    writeFileSync(path, '');
    truncateSync(path, sparse * block - 1);
    writeFileSync(path, '!', { flag: 'a' });
  }
  for (let index = 0; index < files; index++) writeFileSync(join(folder, 'small', String(index)), randomBytes(1_024));
};

/** One digest of all that is in a folder. */
const digestOf = async (folder: string): Promise<string> => {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()) {
    hash.update(`${name}\0`);
    const path = join(folder, name);
    if (!statSync(path).isFile()) continue;
    const chunks: AsyncIterable<Buffer> = createReadStream(path);
    for await (const chunk of chunks) hash.update(chunk);
  }
  return hash.digest('hex');
};
