import { closeSync, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { codeOf } from '../new-file.js';
import { OPEN_TO_READ, SMALL_BYTES } from './compare.js';
import { digestOfPiece, PIECE_BYTES, PieceDigests, readPiece } from './digests.js';
import { FILES_FRAME, MAX_PAYLOAD_BYTES } from './frames.js';
import type { FilesStep, OfferedEntry } from './interface.js';
import { encodeFailure, encodeStart } from './messages.js';
import { Pack } from './pack.js';
import { Progress } from './progress.js';
import { modifiedMsOf, type Source } from './walk.js';
import type { FrameChannel } from './wire.js';

/** From where each file is to be sent: from its beginning unless it stands here, and not at all where that is `undefined`. */
export type Plan = ReadonlyMap<number, number | undefined>;

/** The digests of the beginning of a file. */
export interface KnownBeginning {
  readonly length: number;
  readonly digests: PieceDigests;
}

/** What sending contents needs. */
export interface ContentsOut {
  readonly frames: FrameChannel;
  readonly sources: readonly Source[];
  readonly plan: Plan;
  /** What was hashed of files when the receiver asked. */
  readonly known: ReadonlyMap<number, KnownBeginning>;
  readonly tell: (step: FilesStep) => void;
  readonly signal: AbortSignal;
}

/** Sends all files that the receiver wants, in the order of the offer. One that cannot be read is told, and the others are sent. */
export async function sendContents({ frames, sources, plan, known, tell, signal }: ContentsOut): Promise<void> {
  const progress = new Progress(tell);
  const failed = async (index: number, { path }: OfferedEntry, reason: string) => {
    tell({ type: 'file', path, outcome: 'failed', reason });
    await frames.send(FILES_FRAME.failed, encodeFailure({ index, reason }));
  };
  const pack = new Pack();
  const flush = async () => {
    if (pack.length > 0) await frames.send(FILES_FRAME.pack, pack.take());
  };
  for (const [index, { entry, source }] of sources.entries()) {
    signal.throwIfAborted();
    if (entry.kind !== 'file' || (plan.has(index) && plan.get(index) === undefined)) continue;
    const from = plan.get(index) ?? 0;
    if (entry.size <= SMALL_BYTES && from === 0) {
      if (!pack.hasRoomFor(entry.size)) await flush();
      const reason = pack.add(index, entry.size, (content) => readSmall(source, entry, content));
      if (reason === undefined) {
        progress.bytes(entry.path, entry.size);
        progress.file(entry.path);
      } else await failed(index, entry, reason);
      continue;
    }
    await flush();
    const reason = await sendLarge({
      frames,
      index,
      from,
      entry,
      source,
      progress,
      signal,
      before: beginningOf(known.get(index), from),
    });
    if (reason === undefined) progress.file(entry.path);
    else await failed(index, entry, reason);
  }
  await flush();
}

/** The digests of what comes before a place, where that is what was hashed: the receiver may have had something else. */
const beginningOf = (known: KnownBeginning | undefined, from: number): PieceDigests | undefined =>
  known?.length === from ? known.digests : undefined;

const CHANGED = 'it has changed since it was offered';

/** Whether a file is still what was offered. */
export function isAsOffered(stats: Stats, { size, modifiedMs }: OfferedEntry): boolean {
  return stats.isFile() && stats.size === size && modifiedMsOf(stats) === modifiedMs;
}

/** Reads a small file as a whole; returns why it cannot be sent, where it cannot. */
function readSmall(source: string, entry: OfferedEntry, content: Buffer): string | undefined {
  try {
    const file = openSync(source, OPEN_TO_READ);
    try {
      if (!isAsOffered(fstatSync(file), entry)) return CHANGED;
      return readSync(file, content, 0, entry.size, 0) === entry.size ? undefined : CHANGED;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return whyNot(error);
  }
}

/** What goes wrong with a file, without where it is on this machine. */
const whyNot = (error: unknown): string => `it cannot be read (${codeOf(error) || 'an error'})`;

interface LargeFile {
  readonly frames: FrameChannel;
  readonly index: number;
  readonly from: number;
  readonly entry: OfferedEntry;
  readonly source: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** The digests of what comes before `from`. */
  readonly before: PieceDigests | undefined;
}

/** Sends a file from a place in it; returns why that failed, if it did. */
async function sendLarge(large: LargeFile): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(large.source, OPEN_TO_READ);
  } catch (error) {
    return whyNot(error);
  }
  try {
    if (!isAsOffered(await file.stat(), large.entry)) return CHANGED;
    return await sendPieces(file, large);
  } finally {
    await file.close();
  }
}

async function sendPieces(
  file: FileHandle,
  { frames, index, from, entry, progress, signal, before }: LargeFile,
): Promise<string | undefined> {
  const digests = before ?? new PieceDigests();
  // Two pieces in turns: with fresh memory for each, V8 would look for garbage all the time.
  const most = Math.min(PIECE_BYTES, entry.size - from);
  let room = Buffer.allocUnsafeSlow(most);
  let spare = Buffer.allocUnsafeSlow(most);
  const read = (at: number) => {
    const reading = readPiece(file, at, room.subarray(0, entry.size - at));
    [room, spare] = [spare, room];
    // It is waited for later, or not at all.
    reading.catch(() => undefined);
    return reading;
  };
  await frames.send(FILES_FRAME.file, encodeStart({ index, from }));
  let next = read(from);
  for (let at = from; at < entry.size; at += PIECE_BYTES) {
    signal.throwIfAborted();
    let piece: Buffer;
    try {
      piece = await next;
    } catch (error) {
      return whyNot(error);
    }
    if (piece.length < Math.min(PIECE_BYTES, entry.size - at)) return CHANGED;
    // The next piece is read while this one is sent.
    if (at + PIECE_BYTES < entry.size) next = read(at + PIECE_BYTES);
    digests.add(digestOfPiece(piece));
    for (let start = 0; start < piece.length; start += MAX_PAYLOAD_BYTES) {
      const part = piece.subarray(start, start + MAX_PAYLOAD_BYTES);
      await frames.send(FILES_FRAME.content, part);
      progress.bytes(entry.path, part.length);
    }
  }
  if (!isAsOffered(await file.stat(), entry)) return CHANGED;
  await frames.send(FILES_FRAME.end, digests.whole);
  return undefined;
}
