import { Duplex } from 'node:stream';
import * as mqttPacket from 'mqtt-packet';
import { noop } from 'rxjs';
import { Admission } from '../lib/bounds/admission.js';
import { Gathered } from '../lib/bounds/gathered.js';
import { Queue } from '../lib/bounds/queue.js';
import { siteBuckets } from '../lib/bounds/rate-limit.js';
import { Seen } from '../lib/bounds/seen.js';
import { decodeAnnounce, decodeAnswer, decodePush, decodeStore } from '../lib/dht/messages.js';
import { canonicalAddress, parseEndpoint, parseServer, withoutZone } from '../lib/endpoint.js';
import { parseBroker } from '../lib/broker-name.js';
import { decodeParcel, decodeReceipt } from '../lib/mqtt/messages.js';
import { packetCodec, packetCutter } from '../lib/mqtt/packets.js';
import { parsePcp } from '../lib/port-mapping/pcp-messages.js';
import { parseAction } from '../lib/port-mapping/upnp/soap.js';
import { parseXml } from '../lib/port-mapping/upnp/xml.js';
import { createIdentity, isPeerId, peerIdToKey } from '../lib/identity.js';
import { FramedLink, FramedWire } from '../lib/link/framed-link.js';
import { encodeHeader, FRAME, FrameDecoder } from '../lib/link/frames.js';
import { decodeEnd, decodeHello } from '../lib/link/handshake.js';
import { lineDecoder } from '../lib/link/lines.js';
import * as relay from '../lib/techniques/relay/protocol.js';
import { parseReply, parseRequest } from '../lib/rendezvous/messages.js';
import { parsePyp2pReply, parsePyp2pRequest } from '../lib/pyp2p/wire/rendezvous-messages.js';
import { openEnvelope } from '../lib/signalling/envelope.js';
import { parseSessionReply, parseSessionRequest } from '../lib/signalling/carriers/mailbox-lines.js';
import * as mailbox from '../lib/signalling/carriers/mailbox-messages.js';
import { decodeText, parseReverse } from '../lib/pyp2p/mailbox-messages.js';
import { isSigned } from '../lib/signed-request.js';
import { decodeStun, stunDecoder } from '../lib/stun/messages.js';
import { readIntact } from '../lib/stun/integrity.js';
import { parseStun } from '../lib/stun/name.js';
import { parseTurn } from '../lib/stun/turn-name.js';
import { readTurn } from '../lib/cli/turn-option.js';
import { parseUnl } from '../lib/unl.js';
import { decodeBase64Url, isId, parseJsonObject, show } from '../lib/validate.js';
import { oneLine } from '../lib/words.js';
import { linkOf } from './support/attempts.js';
import { growthOf } from './support/cost.js';

/** As long as this, in bytes, and sixteen times as long. */
const LENGTH = 2_048;

const ONE_MIB = 1_048_576;

/** What a text is made of, again and again: whatever parsers and regular expressions look for, with and without the rest of it. */
const BRICKS = [
  ...['\r', '\n', '\t', ' ', '%', ':', '.', '-', '+', '=', '/', '\\', '"', ',', '&', '?', '#', '0', '1', 'a', 'f', 'é'],
  ...['::', '1:', '1.', '[', '[[', '{"a":', '["', '{"a":1,', '\r\n', ' \r', '0 1 ', 'p:1:', 'p:1.2.3.4:1 ', ': '],
  ...['<', '<a', '<a>', '<a/>', '<a>x</a>', '</a>', '<!--', '<![CDATA[', '<?x', '<a b="', '&#', '&amp;', '<x:', '\0'],
];

/** What stands behind, so that nothing fits in the end. */
const ENDS = ['!', 'x\r\n'];

const VERBS = ['HELLO', 'PROVE', 'SEND', 'ADVERTISE', 'UNLS', 'JOIN', 'LEAVE'];
const REPLIES = ['NONCE', 'WELCOME HTTP', 'MESSAGE', 'LISTED', 'REFUSED'];
const PYP2P_VERBS = ['PASSIVE READY', 'SOURCE TCP', 'CANDIDATE', 'ACCEPT'];
const PYP2P_REPLIES = ['NODES', 'CHALLENGE', 'FIGHT', 'REMOTE TCP'];

const identity = createIdentity();

/** Everything that reads a text of a peer, a server, a gateway or a stranger. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  lines: (text) => lineDecoder(ONE_MIB).push(Buffer.from(text)),
  parseRequest,
  parseReply,
  parsePyp2pRequest,
  parsePyp2pReply,
  canonicalAddress,
  withoutZone,
  parseEndpoint,
  parseServer: (text) => parseServer('server', text),
  parseStun: (text) => parseStun('stun', text),
  parseTurn: (text) => parseTurn('turn', `turn:${text}`),
  readTurn: (text) => readTurn(`turn:${text}`),
  parseUnl,
  parseBroker: (text) => parseBroker('mqtt', text),
  'a broker with a password': (text) => parseBroker('mqtt', `mqtts://${text}`),
  parseXml,
  'the text of an element': (text) => parseXml(`<a>${text}`),
  parseAction: (text) => parseAction('Add', text),
  parseJsonObject,
  'the text of a property': (text) => parseJsonObject(`{"a":"${text}`),
  decodeBase64Url,
  isId,
  oneLine,
  show,
  isPeerId,
  peerIdToKey,
  decodeText,
  parseReverse,
  'a reverse connect': (text) => parseReverse(`REVERSE_CONNECT:${text}`),
  'a line to a mailbox': parseSessionRequest,
  'a line of a mailbox': parseSessionReply,
  'the put of a mailbox': mailbox.decodePut,
  'the take of a mailbox': mailbox.decodeTake,
  'what a mailbox has delivered': mailbox.decodeDelivered,
  'what a mailbox has': mailbox.decodeTaken,
  'the refusal of a mailbox': mailbox.decodeRefusal,
  'the join of a relay': relay.decodeJoin,
  'the refusal of a relay': relay.decodeRefusal,
  isRelayToken: relay.isRelayToken,
  isSigned: (text) => isSigned(identity.peerId, 'relay 1 join', text, Buffer.from(text), text),
  ...Object.fromEntries(VERBS.map((verb) => [verb, (text) => parseRequest(`${verb} ${text}`)])),
  ...Object.fromEntries(REPLIES.map((verb) => [verb, (text) => parseReply(`${verb} ${text}`)])),
  ...Object.fromEntries(PYP2P_VERBS.map((verb) => [verb, (text) => parsePyp2pRequest(`${verb} ${text}`)])),
  ...Object.fromEntries(PYP2P_REPLIES.map((verb) => [verb, (text) => parsePyp2pReply(`${verb} ${text}`)])),
};

/** Everything that reads bytes. */
const DECODERS: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
  frames: (bytes) => new FrameDecoder().push(bytes),
  decodeHello,
  decodeEnd,
  parsePcp,
  decodeStun,
  readIntact: (bytes) => readIntact(bytes, Buffer.alloc(16)),
  'messages of STUN': (bytes) => stunDecoder()(bytes),
  decodeAnnounce,
  decodeStore,
  decodePush,
  decodeAnswer,
  decodeParcel,
  decodeReceipt,
  'packets of MQTT': (bytes) => packetCutter()(bytes),
  'a packet of MQTT': (bytes) => packetCodec(mqttPacket, 5).decode(bytes),
  openEnvelope: (bytes) => openEnvelope(identity, bytes),
};

/** What is refused is as good as what is taken. */
function attempt<T>(read: (input: T) => unknown, input: T): unknown {
  try {
    return read(input);
  } catch {
    return undefined; // It is no such thing.
  }
}

/** All that grows by more than it should, in words. */
function growing(cases: Iterable<readonly [name: string, times: number, run: (times: number) => unknown]>): string[] {
  return Array.from(cases).flatMap(([name, times, run]) => {
    const growth = growthOf(times, run);
    return growth === undefined ? [] : [`${name}: ${growth}`];
  });
}

describe('sixteen times the input from a stranger costs sixteen times the work', () => {
  for (const [name, read] of Object.entries(READERS))
    it(`of ${name}`, () => {
      const cases = BRICKS.flatMap((brick) =>
        ENDS.map((end) => {
          const run = (times: number) => attempt(read, brick.repeat(times) + end);
          return [`${JSON.stringify(brick)}…${JSON.stringify(end)}`, LENGTH / brick.length, run] as const;
        }),
      );
      expect(growing(cases)).toEqual([]);
    });

  it('of whatever reads bytes', () => {
    const cases = Object.entries(DECODERS).flatMap(([name, decode]) =>
      [0, 1, 2, 3, 5, 9, 127, 128, 255].map((byte) => {
        const run = (times: number) => attempt(decode, Buffer.alloc(times, byte));
        return [`${name} of bytes ${byte}`, LENGTH, run] as const;
      }),
    );
    expect(growing(cases)).toEqual([]);
  });

  it('of a line and of a frame that come byte by byte', () => {
    const crumb = Buffer.of(0);
    const comeBy = (times: number, take: (bytes: Buffer) => unknown) => {
      for (let i = 0; i < times; i++) take(crumb);
    };
    const line = (times: number) => {
      const decoder = lineDecoder(ONE_MIB);
      comeBy(times, (bytes) => decoder.push(bytes));
    };
    // A frame other than data is no longer than 16 KiB.
    const frame = (times: number) => {
      const decoder = new FrameDecoder();
      decoder.push(encodeHeader(FRAME.locator, times));
      comeBy(times, (bytes) => decoder.push(bytes));
    };
    // Messages without attributes, one after the other.
    const header = Buffer.from(`010100002112a442${'00'.repeat(12)}`, 'hex');
    const stun = (times: number) => {
      const decode = stunDecoder();
      for (let i = 0; i < times; i++) decode(header.subarray(i % header.length, (i % header.length) + 1));
    };
    const gathered = (times: number) => {
      const all = new Gathered();
      comeBy(times, (bytes) => {
        all.push(bytes);
      });
    };
    expect(
      growing([
        ['line', 2 * LENGTH, line],
        ['frame', 1_024, frame],
        ['message of STUN', 8 * LENGTH, stun],
        ['gathered', 8 * LENGTH, gathered],
      ]),
    ).toEqual([]);
  });

  it('of what waits in a queue', () => {
    const queue = (times: number) => {
      const all = new Queue<number>();
      for (let i = 0; i < times; i++) all.push(i);
      while (all.length > 0) all.take();
    };
    expect(growing([['queue', 8 * LENGTH, queue]])).toEqual([]);
  });

  it('of newcomers for whom the oldest give way, or the newest of those who have most', () => {
    const now = () => 0;
    const names = (times: number) => Array.from({ length: 2 * times }, (_, index) => `${index}`);
    const buckets = (times: number) => {
      const take = siteBuckets({ perSecond: 1, burst: 1, maxSites: times, now });
      for (const name of names(times)) take(name);
      return take;
    };
    const seen = (times: number) => {
      const all = new Seen({ forMs: 1, maxEntries: times, now });
      for (const name of names(times)) all.add(name);
      return all;
    };
    // Each of the sites in the room has two places, and gives one of them up.
    const admission = (times: number) => {
      const room = new Admission<string>({ most: 2 * times });
      for (const name of names(times)) room.add(`site ${Math.floor(Number(name) / 2)}`, name);
      for (const name of names(times / 2)) room.admit(`newcomer ${name}`, `newcomer ${name}`);
      return room;
    };
    expect(
      growing([
        ['rate limits of sites', 2 * LENGTH, buckets],
        ['what has been seen', 2 * LENGTH, seen],
        ['places of sites', LENGTH / 4, admission],
      ]),
    ).toEqual([]);
  });

  it('of tiny frames that a framed holds until they are wanted, or until the peer reads', () => {
    const received = (times: number) => {
      const stream = new Duplex({ read: noop, write: noop });
      const framed = new FramedLink({ ...linkOf('direct'), stream }, new FramedWire());
      framed.attach({ frame: noop, heard: noop, written: noop, closed: noop });
      // No full TLS record, which would be read later.
      stream.emit('data', Buffer.concat(Array<Buffer>(times + 1).fill(encodeHeader(FRAME.ping, 0))));
      framed.setFlowing(true);
      stream.destroy();
    };
    const written = (times: number) => {
      const done: (() => void)[] = [];
      const stream = new Duplex({ read: noop, write: (_chunk, _encoding, next) => done.push(next) });
      const framed = new FramedLink({ ...linkOf('direct'), stream }, new FramedWire());
      for (let i = 0; i < times; i++) framed.write(FRAME.pong, Buffer.of(1));
      while (framed.buffered > 0) done.pop()?.();
      stream.destroy();
    };
    expect(
      growing([
        ['received', 2 * LENGTH, received],
        ['written', 2 * LENGTH, written],
      ]),
    ).toEqual([]);
  });
});
