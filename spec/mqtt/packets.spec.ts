import { generate, parser, type Packet } from 'mqtt-packet';
import { ProtocolError } from '../../lib/errors.js';
import { PACKET_MAX_BYTES, packetCodec, packetCutter } from '../../lib/mqtt/packets.js';

const PUBLISH: Packet = {
  cmd: 'publish',
  topic: 'rxp2p/1/abc',
  payload: Buffer.from('payload'),
  qos: 1,
  messageId: 7,
  dup: false,
  retain: false,
};
const codec = packetCodec({ generate, parser }, 5);

describe('Packets of MQTT', () => {
  it('are cut out of a stream, however it comes', () => {
    const packets = [PUBLISH, { cmd: 'pingresp' } as const, { ...PUBLISH, payload: Buffer.alloc(300, 1) }].map(
      (packet) => codec.encode(packet),
    );
    const bytes = Buffer.concat(packets);
    for (const size of [1, 2, 3, 7, 100, bytes.length]) {
      const cut = packetCutter();
      const found: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) found.push(...cut(bytes.subarray(at, at + size)));
      expect(found).withContext(`in pieces of ${size}`).toEqual(packets);
    }
  });

  it('are refused as soon as their length is known to be too great, or to be none', () => {
    // 256 MiB less one byte, the most that MQTT can say.
    for (const header of [[0x30, 0xff, 0xff, 0xff, 0x7f], [0x30, 0xff, 0xff, 0xff, 0xff], lengthOf(PACKET_MAX_BYTES)]) {
      expect(() => packetCutter()(Buffer.from(header))).toThrowError(ProtocolError);
    }
    expect(packetCutter()(Buffer.from(lengthOf(PACKET_MAX_BYTES - 4)))).toEqual([]);
  });

  it('are read as they were written', () => {
    expect(codec.decode(codec.encode(PUBLISH))).toEqual(
      jasmine.objectContaining({ cmd: 'publish', topic: 'rxp2p/1/abc', payload: Buffer.from('payload'), messageId: 7 }),
    );
  });

  it('are refused when they are malformed, in one way', () => {
    const bytes = codec.encode(PUBLISH);
    for (const wrong of [
      Buffer.of(0x00, 0),
      Buffer.of(0xff, 0),
      Buffer.of(0x36, 0),
      Buffer.of(0x32, 2, 0, 9),
      bytes.subarray(0, -1),
      Buffer.concat([bytes, bytes]),
      Buffer.alloc(0),
    ]) {
      expect(() => codec.decode(wrong))
        .withContext(wrong.toString('hex'))
        .toThrowError(ProtocolError);
    }
  });
});

/** The header of a packet that goes on for so many bytes. */
function lengthOf(rest: number): number[] {
  return [0x30, (rest & 0x7f) | 0x80, ((rest >> 7) & 0x7f) | 0x80, rest >> 14];
}
