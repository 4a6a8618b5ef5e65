/**
 * The length that stands before a message in a stream of messages: u32, big-endian (docs/protocol/channels.md).
 *
 * @example
 * Buffer.concat([encodeLength(message.length), message]);
 */
export function encodeLength(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}
