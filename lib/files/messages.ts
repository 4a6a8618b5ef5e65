import { ProtocolError } from '../errors.js';
import { clean } from '../words.js';
import type { OfferedEntry } from './interface.js';
import { MAX_PATH_BYTES } from './paths.js';

// What the frames of a transfer say. Pure.

/** Who a side is. */
export type Role = 'sender' | 'receiver';

/** The version of the protocol. */
const VERSION = 1;

/** How many entries an offer may have: each takes some hundred bytes of memory at both sides. */
export const MAX_ENTRIES = 200_000;

/** How long the paths of an offer may be together, with the targets of links, in bytes of UTF-8. */
export const MAX_PATHS_BYTES = 33_554_432;

/** What an entry counts of that. */
export const pathBytesOf = ({ path, target = '' }: Pick<OfferedEntry, 'path' | 'target'>): number =>
  Buffer.byteLength(path) + Buffer.byteLength(target);

/** The digest of a file, or of a part that has not been sent yet, in bytes. */
export const DIGEST_BYTES = 32;

const MAX_REASON_LENGTH = 256;
const MAX_SIZE = 2 ** 48 - 1;
const MAX_TIME = 8_640_000_000_000_000;

const KINDS = { f: 'file', d: 'folder', l: 'link' } as const;
const LETTERS = { file: 'f', folder: 'd', link: 'l' } as const;

/** Writes who this side is. */
export const encodeRole = (role: Role): Buffer => Buffer.from(JSON.stringify({ version: VERSION, role }));

/**
 * Reads who the peer is.
 *
 * @throws ProtocolError when it speaks another version, or is what this side is.
 */
export function expectRole(payload: Buffer, role: Role): void {
  const value = parse(payload);
  const fields: Readonly<Record<string, unknown>> =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  if (fields['version'] !== VERSION)
    throw new ProtocolError(`Expected version ${VERSION} of the transfer of files, got another: one side is too old`);
  if (fields['role'] !== role)
    throw new ProtocolError(`Expected a ${role} of files, got another: both would do the same`);
}

/** Writes entries of an offer. */
export function encodeEntries(entries: readonly OfferedEntry[]): Buffer {
  return Buffer.from(
    JSON.stringify(
      entries.map(({ path, kind, size, mode, modifiedMs, target }) =>
        kind === 'link' ? [LETTERS[kind], path, target] : [LETTERS[kind], path, mode, modifiedMs, size],
      ),
    ),
  );
}

/**
 * Reads entries of an offer. Whether they can be written is for others to say.
 *
 * @throws ProtocolError
 */
export function decodeEntries(payload: Buffer): OfferedEntry[] {
  return list(payload).map((item) => {
    const [letter, path, second, modifiedMs, size] = tuple(item);
    const kind = Object.entries(KINDS).find(([each]) => each === letter)?.[1];
    if (kind === undefined || typeof path !== 'string' || Buffer.byteLength(path) > MAX_PATH_BYTES)
      throw new ProtocolError('Expected an entry of an offer, got something else');
    if (kind === 'link') {
      if (typeof second !== 'string' || Buffer.byteLength(second) > MAX_PATH_BYTES)
        throw new ProtocolError('Expected the target of a link, got something else');
      return { path, kind, size: 0, mode: 0o777, modifiedMs: 0, target: second };
    }
    const length = integer(size, MAX_SIZE);
    if (kind === 'folder' && length !== 0) throw new ProtocolError('Expected a folder of size 0, got another');
    return { path, kind, size: length, mode: integer(second, 0o777), modifiedMs: integer(modifiedMs, MAX_TIME) };
  });
}

/** A file, by its place in the offer, and what is said of it. */
export type Numbered<T> = readonly [index: number, value: T];

/** Writes what is said of files. */
export const encodeNumbered = (items: readonly Numbered<unknown>[]): Buffer => Buffer.from(JSON.stringify(items));

/**
 * Reads of which files what length is to be compared.
 *
 * @throws ProtocolError
 */
export function decodeLengths(payload: Buffer): Numbered<number>[] {
  return list(payload).map((item) => {
    const [index, length] = tuple(item);
    return [integer(index, MAX_ENTRIES), integer(length, MAX_SIZE)];
  });
}

/**
 * Reads digests of files; of one that cannot be read it is `undefined`.
 *
 * @throws ProtocolError
 */
export function decodeDigests(payload: Buffer): Numbered<string | undefined>[] {
  return list(payload).map((item) => {
    const [index, digest] = tuple(item);
    if (digest !== null && (typeof digest !== 'string' || digest.length !== 2 * DIGEST_BYTES))
      throw new ProtocolError('Expected a digest, got something else');
    return [integer(index, MAX_ENTRIES), digest ?? undefined];
  });
}

/**
 * Reads from where files are to be sent; `undefined` for one that is not to be sent.
 *
 * @throws ProtocolError
 */
export function decodePlan(payload: Buffer): Numbered<number | undefined>[] {
  return list(payload).map((item) => {
    const [index, from] = tuple(item);
    return [integer(index, MAX_ENTRIES), from === null ? undefined : integer(from, MAX_SIZE)];
  });
}

/** A file that cannot be sent, and why. */
export interface FileFailure {
  readonly index: number;
  readonly reason: string;
}

/** Writes why a file cannot be sent. */
export const encodeFailure = ({ index, reason }: FileFailure): Buffer =>
  Buffer.from(JSON.stringify([index, reason.slice(0, MAX_REASON_LENGTH)]));

/**
 * Reads why a file cannot be sent.
 *
 * @throws ProtocolError
 */
export function decodeFailure(payload: Buffer): FileFailure {
  const [index, reason] = tuple(parse(payload));
  return { index: integer(index, MAX_ENTRIES), reason: words(reason) };
}

/** What has become of the files, in numbers. */
export interface Outcome {
  readonly files: number;
  readonly unchanged: number;
  readonly skipped: number;
  readonly failed: number;
}

/** Writes what has become of the files. */
export const encodeOutcome = ({ files, unchanged, skipped, failed }: Outcome): Buffer =>
  Buffer.from(JSON.stringify([files, unchanged, skipped, failed]));

/**
 * Reads what has become of the files.
 *
 * @throws ProtocolError
 */
export function decodeOutcome(payload: Buffer): Outcome {
  const [files, unchanged, skipped, failed] = tuple(parse(payload)).map((count) => integer(count, MAX_ENTRIES));
  if (files === undefined || unchanged === undefined || skipped === undefined || failed === undefined)
    throw new ProtocolError('Expected what has become of the files, got something else');
  return { files, unchanged, skipped, failed };
}

/** Which file begins, and at what byte of it. */
export interface FileStart {
  readonly index: number;
  readonly from: number;
}

/** Writes which file begins. */
export function encodeStart({ index, from }: FileStart): Buffer {
  const payload = Buffer.allocUnsafe(10);
  payload.writeUInt32BE(index, 0);
  payload.writeUIntBE(from, 4, 6);
  return payload;
}

/**
 * Reads which file begins.
 *
 * @throws ProtocolError
 */
export function decodeStart(payload: Buffer): FileStart {
  if (payload.length !== 10) throw new ProtocolError('Expected the beginning of a file, got something else');
  return { index: payload.readUInt32BE(0), from: payload.readUIntBE(4, 6) };
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch (cause) {
    throw new ProtocolError('Expected JSON in a frame of a transfer of files, got something else', { cause });
  }
}

function list(payload: Buffer): readonly unknown[] {
  return tuple(parse(payload));
}

function tuple(value: unknown): readonly unknown[] {
  if (!Array.isArray(value))
    throw new ProtocolError('Expected a list in a frame of a transfer of files, got something else');
  return value;
}

function integer(value: unknown, most: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > most)
    throw new ProtocolError(`Expected a number from 0 to ${most} in a transfer of files, got something else`);
  return value;
}

function words(value: unknown): string {
  return typeof value === 'string' ? clean(value.slice(0, MAX_REASON_LENGTH)) : 'it cannot be read';
}
