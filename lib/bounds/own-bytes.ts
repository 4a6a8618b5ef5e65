/**
 * Bytes that can be kept without keeping a larger buffer in memory: a small view of a large buffer is copied. A socket reads into
 * buffers of 64 KiB, and a message of ten bytes is a view into one of them. Pure.
 *
 * @example
 * kept.push(ownBytes(frame.payload));
 */
export function ownBytes(bytes: Buffer): Buffer {
  if (bytes.length * 2 >= bytes.buffer.byteLength) return bytes;
  // Not from Node's pool of 8 KiB, which is a larger buffer again.
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}
