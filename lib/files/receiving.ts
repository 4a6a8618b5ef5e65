import { statfs } from 'node:fs/promises';
import type { Channel } from '../connection/connection.js';
import { ClosedError, FilesError, ProtocolError, reasonOf } from '../errors.js';
import { expectNames, show } from '../validate.js';
import { ContentsIn } from './contents-in.js';
import { greeted, type Conversation } from './conversation.js';
import { FILES_FRAME } from './frames.js';
import type { FilesOffer, FilesStep, OfferedEntry, ReceiveFilesOptions } from './interface.js';
import {
  decodeDigests,
  decodeEntries,
  encodeNumbered,
  encodeOutcome,
  MAX_ENTRIES,
  MAX_PATHS_BYTES,
  pathBytesOf,
  type Numbered,
} from './messages.js';
import { PathCheck } from './paths.js';
import { failureOfDisk, TakenError } from './disk.js';
import { Place } from './place.js';
import { planOf, type ReceivePlan } from './plan.js';
import type { Work } from './transfer.js';
import { FrameChannel } from './wire.js';

/** Of so many files a frame says from where they are to be sent. */
const PLANNED_A_FRAME = 4_000;

/** This much of the disk is left free, in bytes: for the names of the files. */
const LEFT_FREE_BYTES = 1_048_576;

/** Receives files on a channel: what `receiveFiles$` does once it is loaded. */
export async function receive(
  channel: Channel,
  options: ReceiveFilesOptions,
  ...[tell, signal]: Parameters<Work>
): Promise<void> {
  // Where `accept` is misspelt, everything would be taken.
  expectNames('options', options, ['into', 'accept', 'existing']);
  const { into, accept = () => true, existing = 'refuse' } = options;
  const frames = new FrameChannel(channel, false);
  const place = new Place(into);
  let contents: ContentsIn | undefined;
  try {
    const conversation = await greeted(frames, 'receiver');
    const offer = await offered(conversation, new PathCheck(place.rules));
    tell({ type: 'offer', offer });
    if (!(await unlessAborted(accept(offer, signal), signal)))
      throw new FilesError('refused', 'the receiver does not want them');
    const { entries } = offer;
    const ask = (lengths: readonly Numbered<number>[]) => digests(frames, conversation, lengths);
    const plan = await planOf({ place, entries, existing, ask, tell, signal });
    contents = new ContentsIn({ place, wanted: plan.wanted, tell });
    const bytes = [...plan.wanted.values()].reduce((sum, { entry, from }) => sum + entry.size - from, 0);
    await expectRoom(place, bytes);
    const made = makeFolders(place, entries);
    await say(frames, entries, plan);
    tell({ type: 'started', files: plan.wanted.size, bytes, unchanged: plan.unchanged });
    for (;;) {
      const { file, content, end, pack, failed, sent } = FILES_FRAME;
      const frame = await conversation.next(file, content, end, pack, failed, sent);
      signal.throwIfAborted();
      if (frame.type === sent) break;
      await contents.take(frame);
    }
    contents.finish();
    const failedLinks = makeLinks(place, entries, tell);
    for (const folder of made.toReversed()) place.finishFolder(folder);
    const { files, failed } = contents.counts;
    const outcome = { files, failed: failed + failedLinks, unchanged: plan.unchanged, skipped: plan.skipped };
    await frames.send(FILES_FRAME.done, encodeOutcome(outcome));
    tell({ type: 'done', ...outcome });
    await frames.closed();
  } finally {
    await contents?.leave();
    place.leave();
  }
}

/** The result of something that does not end by the signal itself. */
async function unlessAborted<T>(result: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      reject(new ClosedError('the transfer is over', { cause: signal.reason }));
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    Promise.resolve(result)
      .then(resolve, reject)
      .finally(() => {
        signal.removeEventListener('abort', abort);
      });
  });
}

/** Reads the offer. @throws FilesError `unsafe-name` for one that cannot be written here. */
async function offered(conversation: Conversation, check: PathCheck): Promise<FilesOffer> {
  const entries: OfferedEntry[] = [];
  let [files, bytes, pathBytes] = [0, 0, 0];
  for (;;) {
    const { type, payload } = await conversation.next(FILES_FRAME.offer, FILES_FRAME.offered);
    if (type === FILES_FRAME.offered) return { entries, files, bytes };
    for (const entry of decodeEntries(payload)) {
      pathBytes += pathBytesOf(entry);
      if (entries.length >= MAX_ENTRIES || pathBytes > MAX_PATHS_BYTES)
        throw new ProtocolError(`Expected an offer of at most ${MAX_ENTRIES} files and folders, got more`);
      const problem = check.add(entry);
      if (problem !== undefined)
        throw new FilesError('unsafe-name', `${show(entry.path)} cannot be received: ${problem}`);
      entries.push(entry);
      bytes += entry.size;
      if (entry.kind === 'file') files++;
    }
    if (!Number.isSafeInteger(bytes))
      throw new ProtocolError('Expected an offer that can be counted, got a larger one');
  }
}

/** Asks the sender for digests. */
async function digests(
  frames: FrameChannel,
  conversation: Conversation,
  lengths: readonly Numbered<number>[],
): Promise<readonly Numbered<string | undefined>[]> {
  await frames.send(FILES_FRAME.compare, encodeNumbered(lengths));
  return decodeDigests((await conversation.next(FILES_FRAME.digests)).payload);
}

/** @throws FilesError `disk-full` where there is less room than is needed. */
async function expectRoom(place: Place, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(place.root).catch((error: unknown) => {
    throw failureOfDisk(error);
  });
  const free = bavail * bsize - LEFT_FREE_BYTES;
  if (bytes > free)
    throw new FilesError('disk-full', `${bytes} bytes are to come, and there is room for ${Math.max(0, free)}`);
}

/** Makes the folders that are not there; returns those. */
function makeFolders(place: Place, entries: readonly OfferedEntry[]): OfferedEntry[] {
  try {
    return entries.filter((entry) => entry.kind === 'folder' && place.makeFolder(entry));
  } catch (error) {
    throw failureOfDisk(error);
  }
}

/** Makes the links; returns how many cannot be made. */
function makeLinks(place: Place, entries: readonly OfferedEntry[], tell: (step: FilesStep) => void): number {
  let failed = 0;
  for (const entry of entries) {
    if (entry.kind !== 'link') continue;
    try {
      place.makeLink(entry);
    } catch (error) {
      failed++;
      const reason = error instanceof TakenError ? error.message : `the link cannot be made: ${reasonOf(error)}`;
      tell({ type: 'file', path: entry.path, outcome: 'failed', reason });
    }
  }
  return failed;
}

/** Tells the sender from where files are to be sent, where that is not their beginning. */
async function say(frames: FrameChannel, entries: readonly OfferedEntry[], { wanted }: ReceivePlan): Promise<void> {
  const plan = entries.flatMap(({ kind }, index): Numbered<number | null>[] => {
    if (kind !== 'file') return [];
    const from = wanted.get(index)?.from ?? null;
    return from === 0 ? [] : [[index, from]];
  });
  for (let at = 0; at < plan.length; at += PLANNED_A_FRAME)
    await frames.send(FILES_FRAME.plan, encodeNumbered(plan.slice(at, at + PLANNED_A_FRAME)));
  await frames.send(FILES_FRAME.go);
}
