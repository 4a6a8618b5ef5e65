import { decode, Encoder } from '@msgpack/msgpack';
import type { RemoteCodec } from './interface.js';

const NOTHING = new Uint8Array(0);

/** Takes 2 KiB, which is more than most values: so one encodes them all. */
const newEncoder = () => new Encoder({ ignoreUndefined: true });

let encoder = newEncoder();

/** After a value of so many bytes an encoder is not used again: it keeps as much memory as the longest has taken. */
const MOST_KEPT_BYTES = 65_536;

/**
 * MessagePack, of which each list and map has at least the bytes that its length claims. It has no word for `undefined`: alone that is no
 * byte at all, and as a field of an object it is left out, as in JSON.
 */
export const MESSAGE_PACK: RemoteCodec = {
  encode: (value) => {
    if (value === undefined) return NOTHING;
    const bytes = encoder.encodeSharedRef(value);
    if (bytes.length <= MOST_KEPT_BYTES) return Buffer.from(bytes);
    encoder = newEncoder();
    return bytes;
  },
  decode: ({ buffer, byteOffset, length }) => {
    if (length === 0) return undefined;
    // Of a Buffer the package would make Buffers.
    const bytes = new Uint8Array(buffer, byteOffset, length);
    expectLengths(bytes);
    return decode(bytes);
  },
};

/** What follows the first byte of an item. */
interface Layout {
  /** The size of the number that tells a length, in bytes; 0 where there is none. */
  readonly lengthBytes: number;
  /** Bytes that are always there. */
  readonly fixedBytes: number;
  /** Items for each that the length counts: 1 in lists, 2 in maps; 0 where it counts bytes. */
  readonly items: number;
}

const layout = (lengthBytes: number, fixedBytes = 0, items = 0): Layout => ({ lengthBytes, fixedBytes, items });

/** The items whose first byte is 0xc0 to 0xdf, in that order. */
const LAYOUTS: readonly Layout[] = [
  // nil, (never used), false, true
  ...[layout(0), layout(0), layout(0), layout(0)],
  // bin, ext (with a byte for its type)
  ...[layout(1), layout(2), layout(4), layout(1, 1), layout(2, 1), layout(4, 1)],
  // float, uint, int
  ...[4, 8, 1, 2, 4, 8, 1, 2, 4, 8].map((bytes) => layout(0, bytes)),
  // fixext (with a byte for its type)
  ...[2, 3, 5, 9, 17].map((bytes) => layout(0, bytes)),
  // str, array, map
  ...[layout(1), layout(2), layout(4), layout(2, 0, 1), layout(4, 0, 1), layout(2, 0, 2), layout(4, 0, 2)],
];

/**
 * Expects that lists and maps claim no more items than there are bytes. The package makes room for a list by the length that it claims:
 * five bytes could take 256 MiB, and lists within lists all memory.
 *
 * @throws RangeError when they claim more.
 */
function expectLengths(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (let items = 1; items > 0;) {
    if (items > bytes.length - at)
      throw new RangeError(`Expected as many items as MessagePack claims, got ${bytes.length} bytes`);
    const first = view.getUint8(at++);
    items--;
    if (first >= 0xc0 && first < 0xe0) {
      const { lengthBytes, fixedBytes, items: each } = LAYOUTS[first - 0xc0] ?? layout(0);
      if (lengthBytes > bytes.length - at) throw new RangeError('Expected a length in MessagePack, got its beginning');
      const length = lengthBytes === 0 ? 0 : readLength(view, at, lengthBytes);
      at += lengthBytes + fixedBytes + (each === 0 ? length : 0);
      items += each * length;
    } else if (first >= 0x80 && first < 0x90) items += 2 * (first & 0x0f);
    else if (first >= 0x90 && first < 0xa0) items += first & 0x0f;
    else if (first >= 0xa0 && first < 0xc0) at += first & 0x1f;
  }
}

function readLength(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  return bytes === 2 ? view.getUint16(at) : view.getUint32(at);
}
