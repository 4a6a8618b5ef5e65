import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { ProtocolError } from '../errors.js';
import { oneLine } from '../words.js';
import { SMALL_BYTES } from './compare.js';
import { digestOfPiece, digestOfSmall, PIECE_BYTES, PieceDigests } from './digests.js';
import { FILES_FRAME, type FilesFrame } from './frames.js';
import type { FilesStep } from './interface.js';
import { decodeFailure, decodeStart, DIGEST_BYTES } from './messages.js';
import { decodePack } from './pack.js';
import { failureOfDisk, TakenError } from './disk.js';
import type { Place } from './place.js';
import type { Wanted } from './plan.js';
import { Progress } from './progress.js';

/** What has been written goes to the disk in the background, so often in bytes, so that there is not much left to wait for at the end. */
const FLUSH_BYTES = 67_108_864;

/** So many small files are written before others have their turn. */
const FILES_A_TURN = 128;

/** A file that is being received. */
interface Current {
  readonly wanted: Wanted;
  readonly partial: string;
  readonly file: FileHandle;
  readonly digests: PieceDigests;
  /** How much of it is in whole pieces. */
  at: number;
  /** The piece that is being filled, and how far. */
  piece: Buffer<ArrayBuffer>;
  filled: number;
  /** The one that was filled before: free again when it is written. */
  spare: Buffer<ArrayBuffer>;
  /** Writes the piece before. */
  writing: Promise<void>;
  flushing: Promise<void> | undefined;
  sinceFlush: number;
}

/** What receiving contents needs. */
export interface ContentsInConfig {
  readonly place: Place;
  readonly wanted: ReadonlyMap<number, Wanted>;
  readonly tell: (step: FilesStep) => void;
}

/**
 * Writes the contents that the sender sends: each file to a place of its own, where it gets its name only when it is whole and its digest
 * is right. What goes wrong with one file is told, and the others come all the same; but not where the disk is full.
 */
export class ContentsIn {
  readonly #config: ContentsInConfig;
  readonly #progress: Progress;
  /** Of those to come, the sender may send each once. */
  readonly #waiting: Map<number, Wanted>;
  #current: Current | undefined;
  #files = 0;
  #failed = 0;

  constructor(config: ContentsInConfig) {
    this.#config = config;
    this.#progress = new Progress(config.tell);
    this.#waiting = new Map(config.wanted);
  }

  /** How many files have come, and how many have failed. */
  get counts(): { readonly files: number; readonly failed: number } {
    return { files: this.#files, failed: this.#failed };
  }

  /**
   * Takes in a frame.
   *
   * @throws ProtocolError; FilesError when nothing more can be written.
   */
  async take({ type, payload }: FilesFrame): Promise<void> {
    if (type === FILES_FRAME.content) await this.#content(payload);
    else if (type === FILES_FRAME.pack) await this.#pack(payload);
    else if (type === FILES_FRAME.file) await this.#begin(payload);
    else if (type === FILES_FRAME.end) await this.#end(payload);
    else await this.#sendFailed(payload);
  }

  /** The sender has sent all. @throws ProtocolError when it has not. */
  finish(): void {
    if (this.#current !== undefined || this.#waiting.size > 0)
      throw new ProtocolError('The sender says that all files have been sent, but some have not come');
  }

  /** Leaves what has come for the next time. */
  async leave(): Promise<void> {
    const { place } = this.#config;
    for (const { partial, entry } of this.#waiting.values())
      if (partial !== undefined) place.release(entry.path, partial);
    this.#waiting.clear();
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    await closed(current);
    place.release(current.wanted.entry.path, current.partial);
  }

  #next(index: number): Wanted {
    const wanted = this.#waiting.get(index);
    if (wanted === undefined || this.#current !== undefined)
      throw new ProtocolError('Expected the next of the files that are wanted, got another');
    this.#waiting.delete(index);
    return wanted;
  }

  async #begin(payload: Buffer): Promise<void> {
    const { index, from } = decodeStart(payload);
    const wanted = this.#next(index);
    if (from !== wanted.from)
      throw new ProtocolError('Expected a file from where it was asked for, got another part of it');
    const { place } = this.#config;
    const partial = wanted.partial ?? place.claim(wanted.entry.path).partial;
    try {
      const file = await openPartial(partial, from, wanted.entry.mode | 0o600);
      this.#current = {
        wanted,
        partial,
        file,
        digests: wanted.before ?? new PieceDigests(),
        at: from,
        piece: Buffer.allocUnsafeSlow(PIECE_BYTES),
        filled: 0,
        spare: Buffer.allocUnsafeSlow(PIECE_BYTES),
        writing: Promise.resolve(),
        flushing: undefined,
        sinceFlush: 0,
      };
      // What comes after what is right is wrong.
      if (from > 0) await file.truncate(from);
    } catch (error) {
      throw failureOfDisk(error);
    }
  }

  async #content(payload: Buffer): Promise<void> {
    const current = this.#current;
    if (current === undefined) throw new ProtocolError('Expected a file before its content, got none');
    const { entry } = current.wanted;
    if (current.at + current.filled + payload.length > entry.size)
      throw new ProtocolError('Expected a file of the size that was offered, got a larger one');
    for (let start = 0; start < payload.length;) {
      const copied = payload.copy(current.piece, current.filled, start);
      start += copied;
      current.filled += copied;
      if (current.filled === PIECE_BYTES) await this.#write(current);
    }
    this.#progress.bytes(entry.path, payload.length);
  }

  /** Hashes and writes the piece that has been filled, while the next one comes. */
  async #write(current: Current): Promise<void> {
    await this.#written(current);
    const { file, at, filled } = current;
    const piece = current.piece.subarray(0, filled);
    current.at += filled;
    current.sinceFlush += filled;
    [current.piece, current.spare] = [current.spare, current.piece];
    current.filled = 0;
    current.writing = written(file, piece, at);
    current.digests.add(digestOfPiece(piece));
    // It is waited for with the next one.
    current.writing.catch(() => undefined);
    if (current.sinceFlush < FLUSH_BYTES) return;
    current.sinceFlush = 0;
    await current.flushing;
    current.flushing = file.datasync().catch(() => undefined);
  }

  async #written({ writing }: Current): Promise<void> {
    try {
      await writing;
    } catch (error) {
      throw failureOfDisk(error);
    }
  }

  async #end(payload: Buffer): Promise<void> {
    const current = this.#current;
    if (current === undefined || payload.length !== DIGEST_BYTES)
      throw new ProtocolError('Expected the end of a file that has begun, got something else');
    const { wanted, partial, file, digests } = current;
    const { entry } = wanted;
    if (current.filled > 0) await this.#write(current);
    await this.#written(current);
    if (current.at !== entry.size)
      throw new ProtocolError('Expected a file of the size that was offered, got a shorter one');
    if (!digests.whole.equals(payload)) {
      await closed(current);
      this.#current = undefined;
      this.#config.place.forget(partial);
      this.#fail(entry.path, 'what has come is not what was sent');
      return;
    }
    try {
      const { mode } = await file.stat();
      if ((mode & entry.mode) !== (mode & 0o777)) await file.chmod(mode & entry.mode);
      await file.utimes(entry.modifiedMs / 1_000, entry.modifiedMs / 1_000);
      await current.flushing;
      // Its name must not be on the disk before its content is.
      await file.sync();
      await file.close();
    } catch (error) {
      throw failureOfDisk(error);
    }
    this.#current = undefined;
    this.#name(wanted, partial);
  }

  async #pack(payload: Buffer): Promise<void> {
    let count = 0;
    for (const { index, digest, content } of decodePack(payload)) {
      const wanted = this.#next(index);
      const { entry } = wanted;
      if (content.length !== entry.size || entry.size > SMALL_BYTES)
        throw new ProtocolError('Expected a small file of the size that was offered, got another');
      if (wanted.from > 0) throw new ProtocolError('Expected a file from where it was asked for, got all of it');
      if (wanted.partial !== undefined) this.#config.place.forget(wanted.partial);
      this.#progress.bytes(entry.path, content.length);
      if (digestOfSmall(content).equals(digest)) this.#writeSmall(wanted, content);
      else this.#fail(entry.path, 'what has come is not what was sent');
      if (++count % FILES_A_TURN === 0) await turn();
    }
  }

  #writeSmall(wanted: Wanted, content: Buffer): void {
    const { place } = this.#config;
    try {
      place.writeSmall(wanted.entry, content, (partial) => {
        this.#name(wanted, partial);
      });
    } catch (error) {
      throw failureOfDisk(error);
    }
  }

  /** Gives a file its name. */
  #name({ entry, as, isReplacing }: Wanted, partial: string): void {
    const { place, tell } = this.#config;
    try {
      place.name(partial, as, isReplacing);
    } catch (error) {
      place.forget(partial);
      if (!(error instanceof TakenError)) throw failureOfDisk(error);
      this.#fail(entry.path, error.message);
      return;
    }
    this.#files++;
    tell({ type: 'file', path: entry.path, outcome: 'received', ...(as !== entry.path && { as }) });
    this.#progress.file(entry.path);
  }

  async #sendFailed(payload: Buffer): Promise<void> {
    const { index, reason } = decodeFailure(payload);
    const current = this.#current;
    const wanted = current?.wanted ?? this.#waiting.get(index);
    if (wanted === undefined || (current !== undefined && this.#config.wanted.get(index) !== wanted))
      throw new ProtocolError('Expected that a file which is wanted has failed, got another');
    if (current !== undefined) await closed(current);
    this.#current = undefined;
    this.#waiting.delete(index);
    const partial = current?.partial ?? wanted.partial;
    if (partial !== undefined) this.#config.place.release(wanted.entry.path, partial);
    this.#fail(wanted.entry.path, oneLine(reason));
  }

  #fail(path: string, reason: string): void {
    this.#failed++;
    this.#config.tell({ type: 'file', path, outcome: 'failed', reason });
  }
}

/** Opens what has come of a file, or a new one where nothing has: never through a link. */
async function openPartial(partial: string, from: number, mode: number): Promise<FileHandle> {
  if (from > 0) return open(partial, constants.O_RDWR | constants.O_NOFOLLOW);
  await rm(partial, { force: true });
  return open(partial, 'wx', mode);
}

async function written(file: FileHandle, piece: Buffer, at: number): Promise<void> {
  for (let done = 0; done < piece.length;) {
    const { bytesWritten } = await file.write(piece, done, piece.length - done, at + done);
    done += bytesWritten;
  }
}

/** Closes what is being written, when nothing writes to it any more. */
async function closed({ file, writing, flushing }: Current): Promise<void> {
  await writing.catch(() => undefined);
  await flushing;
  await file.close().catch(() => undefined);
}
