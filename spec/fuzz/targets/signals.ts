import { createIdentity } from '../../../lib/identity.js';
import { openEnvelope, sealEnvelope } from '../../../lib/signalling/envelope.js';
import * as punchSignals from '../../../lib/techniques/punch/messages.js';
import * as relaySignals from '../../../lib/techniques/relay/messages.js';
import * as turnSignals from '../../../lib/techniques/turn/messages.js';
import { planPunch } from '../../../lib/techniques/punch/plan.js';
import { DialError, ProtocolError } from '../../../lib/errors.js';
import { isPublicUnicast } from '../../../lib/endpoint.js';
import type { Signal } from '../../../lib/signalling/signalling.js';
import { formatUnl } from '../../../lib/unl.js';
import { parseJsonObject } from '../../../lib/validate.js';
import { lanUnlOf } from '../../support/lan.js';
import * as dht from '../../../lib/dht/messages.js';
import * as topics from '../../../lib/dht/topic-messages.js';
import * as mqttPacket from 'mqtt-packet';
import { Discovery } from '../../../lib/lan/discovery.js';
import { decodeMessage } from '../../../lib/lan/dns/decode.js';
import { encodeMessage } from '../../../lib/lan/dns/encode.js';
import { MESSAGE_MAX_BYTES } from '../../../lib/lan/dns/message.js';
import { isSigned, readStatement, signStatement } from '../../../lib/lan/statement.js';
import * as mqtt from '../../../lib/mqtt/messages.js';
import { PACKET_MAX_BYTES, packetCodec, packetCutter } from '../../../lib/mqtt/packets.js';
import { chunksOf, expectThat, orFails, type Target } from '../target.js';

const [alice, bob] = [createIdentity(), createIdentity()];
const TOKEN = Buffer.alloc(32, 5).toString('base64url');

const SIGNALS: readonly Signal[] = [
  punchSignals.askSignal({
    attempt: 'attempt',
    round: 0,
    side: { natType: { type: 'preserving' }, address: '198.51.100.7', ports: [4000] },
    roundTripMs: 80,
    mayGuess: true,
  }),
  punchSignals.askSignal({
    attempt: 'attempt',
    round: 1,
    side: { natType: { type: 'delta', delta: 3 }, address: '2001:db8::7', ports: [4000, 4003, 4006] },
    roundTripMs: 0.5,
    mayGuess: false,
  }),
  punchSignals.answerSignal({ attempt: 'attempt', round: 0, refusal: 'not now' }),
  punchSignals.answerSignal({
    attempt: 'attempt',
    round: 0,
    side: { natType: { type: 'random' }, address: '198.51.100.7', ports: [] },
  }),
  relaySignals.askSignal({ attempt: 'attempt', token: TOKEN, relays: [] }),
  turnSignals.askSignal({ attempt: 'attempt', from: ['198.51.100.7'], at: { address: '45.45.1.1', port: 50_000 } }),
  turnSignals.replySignal({ attempt: 'attempt', from: ['2001:db8::7'], at: undefined }),
  { kind: 'dial-back', body: { attempt: 'attempt', endpoints: ['198.51.100.7:4000'] } },
];

const sealed = (signal: Signal): Buffer =>
  sealEnvelope(alice, { ...signal, to: bob.peerId, id: 'id', at: 1_700_000_000_000, keepMs: 10_000 });

const envelopes: Target = {
  name: 'envelopes',
  reaches: ['lib/signalling/envelope', 'lib/signalling/hpke', 'lib/identity'],
  seeds: SIGNALS.map(sealed),
  run: (input) => {
    const envelope = openEnvelope(bob, input);
    if (envelope !== undefined) expectThat(envelope.from === alice.peerId, 'Expected what Alice has sealed', envelope);
  },
};

/** What is inside an envelope may be anything, since its sender may be anybody. */
const bodies: Target = {
  name: 'signals and punches',
  reaches: [
    'lib/techniques/punch/messages',
    'lib/techniques/relay/messages',
    'lib/techniques/turn/messages',
    'lib/techniques/punch/plan',
    'lib/nat/predict',
  ],
  seeds: SIGNALS.map((signal) => Buffer.from(JSON.stringify(signal))),
  run: (input, chance) => {
    const { kind, body } = parseJsonObject(input.toString('utf8')) ?? {};
    if (typeof kind !== 'string' || typeof body !== 'object' || body === null) return;
    const signal: Signal = { kind, body: { ...body } };
    relaySignals.readAsk(signal);
    relaySignals.readReply(signal);
    const meeting = turnSignals.readAsk(signal);
    expectThat((meeting?.from.length ?? 0) <= turnSignals.MAX_FROM, 'Expected few addresses', meeting);
    turnSignals.readReply(signal);
    const ask = punchSignals.readAsk(signal);
    const answer = punchSignals.readAnswer(signal);
    const side = ask?.side ?? (answer !== undefined && 'side' in answer ? answer.side : undefined);
    if (side === undefined) return;
    const own = {
      natType: { type: chance.of(['open', 'preserving', 'reuse', 'random', 'unknown'] as const) },
      address: chance.of(['203.0.113.9', '2a45:45::9'] as const),
      ports: [5000],
      localPorts: [5000, 5001],
    };
    const options = { maxSockets: 1 + chance.below(3_000), random: chance.next, isPaced: chance.below(2) === 0 };
    const plan = orFails([DialError, ProtocolError], () => planPunch(own, side, options));
    if (plan === undefined) return;
    expectThat(isPublicUnicast(plan.address), 'Expected SYNs to a public address', plan.address);
    expectThat(
      plan.syns.length <= 2_048 && plan.maxSyns <= 4_096,
      'Expected no more SYNs than a birthday has',
      plan.syns.length,
    );
    expectThat(plan.deadlineMs <= 30_000, 'Expected a round that ends', plan.deadlineMs);
    expectThat(
      plan.syns.every(({ remotePort, atMs }) => remotePort >= 1 && remotePort <= 65_535 && atMs >= 0),
      'Expected ports that are ports, and times that are to come',
      plan.syns.slice(0, 3),
    );
  },
};

const PART = dht.toParts(Buffer.from('a parcel'))[0];

const dhtMessages: Target = {
  name: 'DHT messages',
  reaches: ['lib/dht/messages', 'lib/dht/topic-messages'],
  seeds: [
    dht.encodeAnnounce(bob, Buffer.alloc(dht.SECRET_BYTES, 1), Buffer.from('token')),
    dht.encodeAnnounce(bob, Buffer.alloc(dht.SECRET_BYTES, 1), undefined),
    ...(PART === undefined
      ? []
      : [
          dht.encodeStore({ to: Buffer.alloc(32, 2), part: PART, keepMs: 60_000 }),
          dht.encodePush(Buffer.alloc(dht.SECRET_BYTES, 1), { part: PART, seenAt: '198.51.100.7' }),
        ]),
    topics.encodeJoin({
      topic: Buffer.alloc(32, 3),
      near: Buffer.alloc(32, 6),
      signature: Buffer.alloc(64, 4),
      unl: Buffer.alloc(60, 5),
    }),
    topics.encodeMembers([
      { seenAt: '198.51.100.7', unl: Buffer.alloc(60, 5) },
      { seenAt: undefined, unl: Buffer.alloc(384, 7) },
    ]),
    dht.encodeAnswer({ status: dht.STATUS.ok, receipt: undefined }),
    dht.encodeAnswer({ status: dht.STATUS.delivered, receipt: Buffer.alloc(64, 4) }),
  ],
  run: (input) => {
    dht.decodeAnnounce(input);
    const join = topics.decodeJoin(input);
    if (join !== undefined) expectThat(topics.encodeJoin(join).equals(input), 'Expected the same bytes', join.topic);
    const members = topics.decodeMembers(input);
    if (members !== undefined) expectThat(topics.encodeMembers(members).equals(input), 'Expected the same bytes');
    const store = dht.decodeStore(input);
    if (store !== undefined) expectThat(dht.encodeStore(store).equals(input), 'Expected the same bytes', store.keepMs);
    const pushed = dht.decodePush(input);
    if (pushed !== undefined) expectThat(pushed.push.part.index < pushed.push.part.count, 'Expected a part', pushed);
    dht.decodeAnswer(input);
  },
};

const codec = packetCodec(mqttPacket, 5);

/** What a broker sends, and what others send through it. */
const mqttPackets: Target = {
  name: 'packets and messages of MQTT',
  reaches: ['lib/mqtt/packets', 'lib/mqtt/messages'],
  seeds: [
    codec.encode({ cmd: 'connack', reasonCode: 0, sessionPresent: true, properties: { receiveMaximum: 20 } }),
    codec.encode({ cmd: 'suback', messageId: 1, granted: [1, 0x87] }),
    codec.encode({ cmd: 'puback', messageId: 2, reasonCode: 0x10, properties: { reasonString: 'nobody' } }),
    codec.encode({ cmd: 'disconnect', reasonCode: 0x8e }),
    ...[
      mqtt.encodeParcel(Buffer.from('parcel'), Buffer.alloc(16, 3)),
      mqtt.encodeReceipt(bob, Buffer.from('parcel')),
    ].map((payload) =>
      codec.encode({
        cmd: 'publish',
        topic: mqtt.inboxOf(bob.peerId) ?? '',
        payload,
        qos: 1,
        messageId: 3,
        dup: false,
        retain: false,
        properties: { messageExpiryInterval: 60 },
      }),
    ),
  ],
  run: (input, chance) => {
    const cut = packetCutter();
    const packets = orFails([ProtocolError], () => chunksOf(input, chance).flatMap((chunk) => cut(chunk))) ?? [];
    for (const bytes of packets) {
      expectThat(bytes.length <= PACKET_MAX_BYTES, 'Expected packets that are not too long', bytes.length);
      const packet = orFails([ProtocolError], () => codec.decode(bytes));
      // A session is at its end with it.
      if (packet === undefined) return;
      if (packet.cmd !== 'publish' || !Buffer.isBuffer(packet.payload)) continue;
      const parcel = mqtt.decodeParcel(packet.payload);
      if (parcel !== undefined) {
        const again = mqtt.encodeParcel(parcel.parcel, parcel.receipts);
        expectThat(again.equals(packet.payload), 'Expected the same bytes', again.length);
      }
      const receipt = mqtt.decodeReceipt(packet.payload);
      if (receipt !== undefined) mqtt.isReceiptOf(bob.peerId, receipt);
    }
  },
};

const statement = signStatement(bob, { time: 1, port: 4_000, unl: formatUnl(lanUnlOf(bob, '192.168.1.7')) });
const discovery = new Discovery({
  peerId: alice.peerId,
  port: 5_353,
  now: () => performance.now(),
  timeOfDay: Date.now,
  random: Math.random,
});
discovery.begin();
discovery.announce({ texts: statement, endpoints: [{ address: '192.168.1.7', port: 4_000 }] });

/** What anybody on the local network sends. */
const multicastDns: Target = {
  name: 'packets of multicast DNS',
  reaches: [
    'lib/lan/dns/decode',
    'lib/lan/dns/encode',
    'lib/lan/statement',
    'lib/lan/discovery',
    'lib/lan/responder',
    'lib/lan/neighbourhood',
  ],
  seeds: [
    ...discovery.take().map(({ bytes }) => bytes),
    encodeMessage({
      id: 1,
      isResponse: false,
      questions: [{ name: '_rxp2p._tcp.local', type: 12 }],
      answers: [{ name: '_rxp2p._tcp.local', ttl: 60, type: 'PTR', target: `${bob.nodeId}._rxp2p._tcp.local` }],
      additionals: [{ name: `${bob.nodeId}.local`, ttl: 60, type: 'AAAA', address: 'fd00::1' }],
    }),
  ],
  run: (input, chance) => {
    const message = decodeMessage(input);
    expectThat(message === undefined || input.length <= MESSAGE_MAX_BYTES, 'Expected no long message', input.length);
    for (const record of message?.answers ?? []) {
      const claim = record.type === 'TXT' ? readStatement(record.texts) : undefined;
      if (claim !== undefined && isSigned(claim)) {
        expectThat(claim.peerId === bob.peerId, 'Expected a statement of the one who has signed it', claim);
      }
    }
    const port = chance.of([5_353, 4_000] as const);
    discovery.receive(input, { address: `192.168.1.${chance.below(256)}`, port, link: 'eth0', interfaceName: 'eth0' });
    for (const { bytes } of discovery.take()) {
      expectThat(decodeMessage(bytes) !== undefined, 'Expected messages that can be read', bytes);
    }
  },
};

export const SIGNAL_TARGETS: readonly Target[] = [envelopes, bodies, dhtMessages, mqttPackets, multicastDns];
