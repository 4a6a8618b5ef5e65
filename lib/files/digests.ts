import { hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Gathered } from '../bounds/gathered.js';
import { DIGEST_BYTES } from './messages.js';

/** A file is read, hashed and written by pieces of so many bytes, the last one shorter: hashing one takes less than a millisecond. */
export const PIECE_BYTES = 1_048_576;

/**
 * The digests of a file's pieces. That of the whole is the SHA-256 digest of theirs, one after the other: so what was
 * hashed before a break is good after it.
 */
export class PieceDigests {
  readonly #digests = new Gathered();

  /** How many pieces there are. */
  get count(): number {
    return this.#digests.length / DIGEST_BYTES;
  }

  /** Adds the digest of the next piece. */
  add(digest: Uint8Array): void {
    this.#digests.push(digest);
  }

  /** The digest of all pieces together. */
  get whole(): Buffer {
    return sha256(this.#digests.bytes);
  }
}

/**
 * The digest of one piece, made at once. To hand a piece to another thread takes this one as long as to hash it, since it has to be copied; and
 * copies of a megabyte each have all garbage collected again and again.
 */
export const digestOfPiece = (piece: Uint8Array): Buffer => sha256(piece);

/** The digest of a whole file that is one piece at most. */
export const digestOfSmall = (content: Buffer): Buffer => sha256(content.length === 0 ? content : sha256(content));

/** At once: a thousand small files take a thousand objects less than by `createHash`. */
function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/** Reads a piece of a file to where it is to be. Returns what there is: less than that where the file is shorter. */
export async function readPiece(file: FileHandle, at: number, piece: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < piece.length) {
    const { bytesRead } = await file.read(piece, filled, piece.length - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return piece.subarray(0, filled);
}

/**
 * Reads the beginning of a file, and makes the digests of its pieces.
 *
 * @param length how much of it.
 * @param signal ends it early.
 * @returns `undefined` where the file is shorter.
 */
export async function digestsOf(
  file: FileHandle,
  length: number,
  signal: AbortSignal,
): Promise<PieceDigests | undefined> {
  const digests = new PieceDigests();
  const room = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, length));
  for (let at = 0; at < length; at += PIECE_BYTES) {
    signal.throwIfAborted();
    const wanted = Math.min(PIECE_BYTES, length - at);
    const piece = await readPiece(file, at, room.subarray(0, wanted));
    if (piece.length < wanted) return undefined;
    digests.add(digestOfPiece(piece));
  }
  return digests;
}
