import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import { firstValueFrom, race, timer } from 'rxjs';
import type { Channel } from '../connection/connection.js';
import { ProtocolError, reasonOf } from '../errors.js';
import { chunksOf } from './chunks.js';
import { encodeHeader, FrameDecoder, MAX_PAYLOAD_BYTES, type FilesFrame, type FilesFrameType } from './frames.js';
import { lossOf } from './transfer.js';

const compress = promisify(brotliCompress);
const decompress = promisify(brotliDecompress);

/**
 * Brotli's first quality compresses text to a third, twice as fast as zlib's first level does. It is in every Node that this library
 * runs on; zstd is not.
 */
const COMPRESSION = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

/** Less is not worth it, in bytes. */
const LEAST_COMPRESSED_BYTES = 512;

/** What gets no smaller than this part of itself is sent as it is; … */
const WORTH_IT = 0.9;

/** … then it is tried again after so many payloads. */
const PAYLOADS_BETWEEN_TRIES = 16;

/** Where more goes out than this, in bytes a second, compressing would slow it down. */
const FASTER_THAN_COMPRESSING = 50_000_000;

/** Of less than this nothing can be learned of the rate, in bytes. */
const LEAST_MEASURED_BYTES = 16_384;

/** When all has been said, the peer has so long to end its side, in milliseconds: as long as a link may be away. */
const CLOSE_MS = 30_000;

/** The frames of a transfer over a channel. */
export class FrameChannel {
  readonly #channel: Channel;
  readonly #stream: Duplex;
  readonly #mayCompress: boolean;
  readonly #now: () => number;
  #untilTry = 0;
  /** How fast bytes have gone out of late, in bytes a second. Nothing has waited yet: as fast as can be. */
  #rate = Infinity;

  /**
   * @param mayCompress whether to compress what gets smaller by it.
   * @param now the time, in milliseconds.
   */
  constructor(channel: Channel, mayCompress: boolean, now: () => number = () => performance.now()) {
    this.#channel = channel;
    this.#now = now;
    this.#stream = channel.toDuplex();
    this.#mayCompress = mayCompress;
    // That it has failed is found by whoever reads or writes next.
    this.#stream.on('error', () => undefined);
  }

  /** Sends a frame; resolves when there is room for more. Then the payload may be changed. */
  async send(type: FilesFrameType, payload: Buffer = EMPTY): Promise<void> {
    const smaller = await this.#compressed(payload);
    const start = this.#now();
    const isCompressed = smaller !== undefined;
    const bytes = smaller ?? payload;
    this.#stream.write(encodeHeader(type, bytes.length, isCompressed));
    await this.#write(bytes);
    if (bytes.length < LEAST_MEASURED_BYTES) return;
    const rate = (bytes.length / Math.max(0.01, this.#now() - start)) * 1_000;
    this.#rate = this.#rate === Infinity ? rate : this.#rate * 0.8 + rate * 0.2;
  }

  /** The frames of the peer. Ends when it sends nothing more; fails when the channel has ended otherwise. */
  async *frames(): AsyncGenerator<FilesFrame, undefined> {
    const decoder = new FrameDecoder();
    try {
      for await (const chunk of chunksOf(this.#stream)) {
        for (const frame of decoder.push(chunk)) yield frame.isCompressed ? await decompressed(frame) : frame;
      }
    } catch (error) {
      throw error instanceof ProtocolError ? error : await this.#loss();
    }
    if (!decoder.isBetweenFrames) throw new ProtocolError('The peer ended in the middle of a frame');
    return undefined;
  }

  /** Sends nothing more. */
  end(): void {
    this.#stream.end();
  }

  /** Ends this direction; resolves when the peer has ended the other, or does not care to. */
  async closed(): Promise<void> {
    this.#stream.end();
    this.#stream.resume();
    await firstValueFrom(race(this.#channel.closed$, timer(CLOSE_MS)));
  }

  /** Why the channel has ended. */
  async #loss(): Promise<Error> {
    const { code, message, resetCode } = await firstValueFrom(this.#channel.closed$);
    return lossOf(code, message, resetCode);
  }

  async #write(bytes: Buffer): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    }).catch(async () => {
      throw await this.#loss();
    });
  }

  async #compressed(payload: Buffer): Promise<Buffer | undefined> {
    if (!this.#mayCompress || payload.length < LEAST_COMPRESSED_BYTES) return undefined;
    if (this.#rate > FASTER_THAN_COMPRESSING || this.#untilTry-- > 0) return undefined;
    const smaller = await compress(payload, COMPRESSION);
    this.#untilTry = 0;
    if (smaller.length < payload.length * WORTH_IT) return smaller;
    this.#untilTry = PAYLOADS_BETWEEN_TRIES;
    return undefined;
  }
}

const EMPTY = Buffer.alloc(0);

async function decompressed(frame: FilesFrame): Promise<FilesFrame> {
  try {
    const payload = await decompress(frame.payload, { maxOutputLength: MAX_PAYLOAD_BYTES });
    return { ...frame, isCompressed: false, payload };
  } catch (cause) {
    throw new ProtocolError(`A frame cannot be decompressed: ${reasonOf(cause)}`, { cause });
  }
}
