import type { Packet } from 'mqtt-packet';
import { noop } from 'rxjs';
import { Gathered } from '../bounds/gathered.js';
import { ProtocolError } from '../errors.js';
import { PARCEL_MAX_BYTES } from '../parcel.js';
import type { MqttCodec } from '../packages.js';

/**
 * The longest packet that a broker may send: a parcel with its topic, and what others may have added to it. A broker of MQTT 5 is
 * told, and sends no longer one; one that does is not listened to.
 */
export const PACKET_MAX_BYTES = PARCEL_MAX_BYTES + 4_096;

/** The version of MQTT: 4 is 3.1.1. */
export type MqttVersion = 4 | 5;

/** A variable byte integer has at most four bytes (MQTT 5 §1.5.5). */
const LENGTH_BYTES = 4;

/**
 * Cuts a stream of bytes into whole control packets (MQTT 5 §2.1), however small the pieces are. Holds at most one that is not whole.
 *
 * @example
 * const cut = packetCutter();
 * socket.on('data', (chunk) => cut(chunk).forEach(handle));
 */
export function packetCutter(): (chunk: Buffer) => Buffer[] {
  const partial = new Gathered();
  return (chunk) => {
    const packets: Buffer[] = [];
    let bytes = chunk;
    if (partial.length > 0) {
      partial.push(chunk);
      const needed = lengthAt(partial.bytes, 0);
      if (needed === undefined || partial.length < needed) return packets;
      bytes = partial.take();
    }
    let at = 0;
    while (at < bytes.length) {
      const length = lengthAt(bytes, at);
      if (length === undefined || bytes.length - at < length) {
        partial.push(bytes.subarray(at));
        break;
      }
      packets.push(bytes.subarray(at, at + length));
      at += length;
    }
    return packets;
  };
}

/**
 * The length of the packet that begins at an offset, its header included; `undefined` while that cannot be known.
 *
 * @throws ProtocolError for a packet that is too long, or a length that is none.
 */
function lengthAt(bytes: Buffer, at: number): number | undefined {
  let rest = 0;
  for (let index = 0; index < LENGTH_BYTES; index++) {
    const byte = bytes[at + 1 + index];
    if (byte === undefined) return undefined;
    rest += (byte & 0x7f) * 128 ** index;
    if (byte >= 0x80) continue;
    const length = 2 + index + rest;
    if (length <= PACKET_MAX_BYTES) return length;
    throw new ProtocolError(`Expected a packet of at most ${PACKET_MAX_BYTES} bytes, got one of ${length}`);
  }
  throw new ProtocolError(`Expected the length of a packet in at most ${LENGTH_BYTES} bytes`);
}

/** Writes control packets, and reads whole ones. */
export interface PacketCodec {
  encode(packet: Packet): Buffer;
  /** @throws ProtocolError for bytes that are no packet. */
  decode(bytes: Buffer): Packet;
}

/** The codec for one version of MQTT. */
export function packetCodec({ generate, parser }: MqttCodec, version: MqttVersion): PacketCodec {
  const options = { protocolVersion: version };
  let read: Packet[] = [];
  const newParser = () =>
    parser(options)
      .on('packet', (packet) => {
        read.push(packet);
      })
      .on('error', noop);
  let current: ReturnType<typeof newParser> | undefined;
  return {
    encode: (packet) => generate(packet, options),
    decode(bytes) {
      read = [];
      // A broker can send tens of thousands of tiny packets at once: to make a parser takes ten times as long as to read one of them.
      const used = (current ??= newParser());
      // One that has failed keeps some of what it had.
      current = undefined;
      let left: number;
      try {
        left = used.parse(bytes);
      } catch (cause) {
        throw new ProtocolError('Expected a packet of MQTT, got a malformed one', { cause });
      }
      const [packet] = read;
      if (packet === undefined || read.length > 1 || left > 0)
        throw new ProtocolError('Expected a packet of MQTT, got a malformed one');
      current = used;
      return packet;
    },
  };
}
