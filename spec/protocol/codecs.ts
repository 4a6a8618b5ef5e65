import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { peerIdOfCertificate } from '../../lib/certificate.js';
import {
  ChannelFrameDecoder,
  decodeLimit,
  decodeOpening,
  decodeReset,
  encodeChannelFrame,
  encodeLimit,
  encodeOpening,
  encodeReset,
  type ChannelFrameType,
} from '../../lib/connection/channels/frames.js';
import { messageDecoder } from '../../lib/link/messages.js';
import * as dht from '../../lib/dht/messages.js';
import * as topics from '../../lib/dht/topic-messages.js';
import { digestOfPiece, PIECE_BYTES, PieceDigests } from '../../lib/files/digests.js';
import { encodeHeader, FrameDecoder as FilesFrameDecoder } from '../../lib/files/frames.js';
import * as files from '../../lib/files/messages.js';
import { receiptOf as lanReceiptOf } from '../../lib/lan/exchange.js';
import { decodeMessage } from '../../lib/lan/dns/decode.js';
import { encodeMessage } from '../../lib/lan/dns/encode.js';
import { instanceOf, isSigned, markOf, readStatement, signStatement } from '../../lib/lan/statement.js';
import * as mqtt from '../../lib/mqtt/messages.js';
import { parseEndpoint } from '../../lib/endpoint.js';
import { peerIdToKey, verifySignature } from '../../lib/identity.js';
import { sealingKeyOf } from '../../lib/signalling/sealing-key.js';
import { decodeAt, decodeOffset, encodeAt, encodeFrame, encodeOffset, FrameDecoder } from '../../lib/link/frames.js';
import { decodeEnd, decodeHello, encodeEnd, encodeHello } from '../../lib/link/handshake.js';
import { expectLine, lineDecoder } from '../../lib/link/lines.js';
import * as relay from '../../lib/techniques/relay/protocol.js';
import { formatReply, formatRequest, parseReply, parseRequest, proofOf } from '../../lib/rendezvous/messages.js';
import { topicOf } from '../../lib/rooms/discovery/topic.js';
import { decodePairing, encodePairing } from '../../lib/pairing/messages.js';
import {
  formatPairingReply,
  formatPairingRequest,
  parsePairingReply,
  parsePairingRequest,
} from '../../lib/rendezvous/pairing-messages.js';
import { pairedIn } from './pairing.js';
import { signMessage } from '../../lib/rooms/author/message.js';
import { openRoomKeys, secretRoomKeys } from '../../lib/rooms/secret.js';
import { decodeWireMessage, encodeWireMessage } from '../../lib/rooms/wire/messages.js';
import { openEnvelope, sealEnvelope } from '../../lib/signalling/envelope.js';
import { openSealed, seal } from '../../lib/signalling/hpke.js';
import * as session from '../../lib/signalling/carriers/mailbox-lines.js';
import * as mailbox from '../../lib/signalling/carriers/mailbox-messages.js';
import { decodeText, encodeText, formatReverse, parseReverse } from '../../lib/pyp2p/mailbox-messages.js';
import {
  formatPyp2pReply,
  formatPyp2pRequest,
  parsePyp2pReply,
  parsePyp2pRequest,
} from '../../lib/pyp2p/wire/rendezvous-messages.js';
import type { Signal } from '../../lib/signalling/signalling.js';
import { overSignal } from '../../lib/techniques/asks.js';
import * as punchSignals from '../../lib/techniques/punch/messages.js';
import { decodePack } from '../../lib/files/pack.js';
import * as relaySignals from '../../lib/techniques/relay/messages.js';
import * as turnSignals from '../../lib/techniques/turn/messages.js';
import { dialBackSignal, readDialBack } from '../../lib/techniques/reverse-connect/messages.js';
import { formatUnl, parseUnl } from '../../lib/unl.js';
import { passedInOrder } from './order.js';
import { framesSentIn } from './transport-script.js';
import {
  bytesOf,
  type Fields,
  fieldsOf,
  identityNamed,
  identityOfSeed,
  listOf,
  numberOf,
  textOf,
  toJson,
} from './vectors.js';
import { encodeLength } from '../support/messages.js';
import { packOf } from '../support/packs.js';

/** Reads and writes one kind of what is on the wire, as vectors have both. */
export interface Codec {
  /** What is on the wire, as a value in JSON. `undefined`, or an error, when it is refused. */
  readonly read: (wire: unknown) => unknown;
  /** What is on the wire, read and written again. Without it nothing writes this kind in the same way twice. */
  readonly rewrite: ((wire: unknown) => unknown) | undefined;
}

/**
 * Makes a codec.
 *
 * @param decode returns `undefined` or throws for what is refused.
 */
function codec<T>(decode: (wire: unknown) => T | undefined, encode?: (value: T, wire: unknown) => unknown): Codec {
  return {
    read: (wire) => toJson(decode(wire)),
    rewrite:
      encode &&
      ((wire) => {
        const value = decode(wire);
        return value === undefined ? undefined : toJson(encode(value, wire));
      }),
  };
}

/** A codec of what may be of either of two protocols. */
function either(first: Codec, second: Codec): Codec {
  const of = (wire: unknown) => (first.read(wire) === undefined ? second : first);
  return { read: (wire) => of(wire).read(wire), rewrite: (wire) => of(wire).rewrite?.(wire) };
}

/** Every kind of vectors that can be read. */
export const CODECS: Readonly<Record<string, Codec>> = {
  identity: codec((seed) => {
    const { peerId, nodeId } = identityOfSeed(bytesOf(seed));
    return { peerId, nodeId, sealingKey: sealingKeyOf(peerId) };
  }),
  'peer-id': codec((text) => peerIdToKey(textOf(text))),
  certificate: codec((pem) => peerIdOfCertificate(new X509Certificate(textOf(pem)))),
  unl: codec((text) => parseUnl(textOf(text)), formatUnl),

  'channel-frames': codec(
    (wire) => {
      const frames: { type: ChannelFrameType; channel: number; payload: Buffer }[] = [];
      new ChannelFrameDecoder().push(bytesOf(wire), {
        onFrame: (type, channel, payload) => frames.push({ type, channel, payload }),
      });
      return frames;
    },
    (frames) => Buffer.concat(frames.map(({ type, channel, payload }) => encodeChannelFrame(type, channel, payload))),
  ),
  opening: codec((wire) => decodeOpening(bytesOf(wire)), encodeOpening),
  reset: codec((wire) => decodeReset(bytesOf(wire)), encodeReset),
  limit: codec((wire) => decodeLimit(bytesOf(wire)), encodeLimit),
  messages: codec(
    (wire) => {
      const decoder = messageDecoder(1_048_576);
      const messages = decoder.push(bytesOf(wire));
      if (decoder.fault !== undefined) throw decoder.fault;
      return messages;
    },
    (messages) => Buffer.concat(messages.flatMap((message) => [encodeLength(message.length), message])),
  ),
  frames: codec(
    (bytes) => new FrameDecoder().push(bytesOf(bytes)),
    (frames) => Buffer.concat(frames.map(({ type, payload }) => encodeFrame(type, payload))),
  ),
  'files-frames': codec(
    (bytes) => [...new FilesFrameDecoder().push(bytesOf(bytes))],
    (frames) =>
      Buffer.concat(
        frames.flatMap(({ type, isCompressed, payload }) => [
          encodeHeader(type, payload.length, isCompressed),
          payload,
        ]),
      ),
  ),
  'files-entries': codec(
    (json) => files.decodeEntries(Buffer.from(textOf(json))),
    (entries) => files.encodeEntries(entries).toString(),
  ),
  'files-start': codec((bytes) => files.decodeStart(bytesOf(bytes)), files.encodeStart),
  'files-pack': codec(
    (bytes) => [...decodePack(bytesOf(bytes))],
    (pack) => packOf(...pack.map(({ index, content }) => [index, content] as const)),
  ),
  at: codec((bytes) => decodeAt(bytesOf(bytes)), encodeAt),
  offset: codec((bytes) => decodeOffset(bytesOf(bytes)), encodeOffset),
  hello: codec(
    (json) => decodeHello(Buffer.from(textOf(json))),
    (hello) => encodeHello(hello).toString(),
  ),
  end: codec(
    (json) => decodeEnd(Buffer.from(textOf(json))),
    (end) => encodeEnd(end).toString(),
  ),
  lines: codec(
    (wire) => {
      const { bytes, maxLength } = fieldsOf(wire);
      const decoder = lineDecoder(numberOf(maxLength));
      const lines = [...decoder.push(bytesOf(bytes)), ...decoder.end()];
      return decoder.fault === undefined ? lines : undefined;
    },
    (lines, wire) => {
      const { maxLength } = fieldsOf(wire);
      for (const line of lines) expectLine(line, numberOf(maxLength));
      return { bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')), maxLength };
    },
  ),

  hpke: codec(
    (wire) => {
      const { receiver, info, bytes } = fieldsOf(wire);
      return openSealed(identityNamed(receiver).openingKey, bytesOf(info), bytesOf(bytes));
    },
    (plaintext, wire) => {
      const { receiver, info, ephemeral } = fieldsOf(wire);
      const key = sealingKeyOf(identityNamed(receiver).peerId) ?? Buffer.alloc(0);
      return { ...fieldsOf(wire), bytes: seal(key, bytesOf(info), plaintext, x25519KeyOf(ephemeral)) };
    },
  ),
  envelope: codec(
    (wire) => {
      const { receiver, bytes } = fieldsOf(wire);
      return openEnvelope(identityNamed(receiver), bytesOf(bytes));
    },
    (envelope, wire) => {
      const { sender, ephemeral } = fieldsOf(wire);
      return { ...fieldsOf(wire), bytes: sealEnvelope(identityNamed(sender), envelope, x25519KeyOf(ephemeral)) };
    },
  ),
  'punch-ask': codec((signal) => punchSignals.readAsk(signalOf(signal)), punchSignals.askSignal),
  'punch-answer': codec((signal) => punchSignals.readAnswer(signalOf(signal)), punchSignals.answerSignal),
  'relay-ask': codec((signal) => relaySignals.readAsk(signalOf(signal)), relaySignals.askSignal),
  'relay-reply': codec((signal) => relaySignals.readReply(signalOf(signal)), relaySignals.replySignal),
  'turn-ask': codec((signal) => turnSignals.readAsk(signalOf(signal)), turnSignals.askSignal),
  'turn-reply': codec((signal) => turnSignals.readReply(signalOf(signal)), turnSignals.replySignal),
  'dial-back': codec(
    (wire) => {
      const { from, signal } = fieldsOf(wire);
      return readDialBack({ ...signalOf(signal), from: identityNamed(from).peerId, seenAt: undefined });
    },
    ({ attempt, unl }, wire) => ({ from: fieldsOf(wire)['from'], signal: dialBackSignal(attempt, unl) }),
  ),

  'rendezvous-request': either(
    codec((line) => parseRequest(textOf(line)), formatRequest),
    codec((line) => parsePyp2pRequest(textOf(line)), formatPyp2pRequest),
  ),
  'rendezvous-reply': either(
    codec((line) => parseReply(textOf(line)), formatReply),
    codec((line) => parsePyp2pReply(textOf(line)), formatPyp2pReply),
  ),

  'pairing-request': codec((line) => parsePairingRequest(textOf(line)), formatPairingRequest),
  'pairing-reply': codec((line) => parsePairingReply(textOf(line)), formatPairingReply),
  'pairing-message': codec((bytes) => decodePairing(bytesOf(bytes)), encodePairing),

  'mailbox-put': codec((json) => mailbox.decodePut(textOf(json)), mailbox.encode),
  'mailbox-take': codec((json) => mailbox.decodeTake(textOf(json)), mailbox.encode),
  'mailbox-delivered': codec(
    (json) => mailbox.decodeDelivered(textOf(json)),
    (delivered) => mailbox.encode({ delivered }),
  ),
  'mailbox-taken': codec((json) => mailbox.decodeTaken(textOf(json)), mailbox.encodeTaken),
  'mailbox-refusal': codec((json) => mailbox.decodeRefusal(textOf(json)), mailbox.encode),
  'mailbox-line': codec((line) => session.parseSessionRequest(textOf(line)), session.formatSessionRequest),
  'mailbox-reply': codec((line) => session.parseSessionReply(textOf(line)), session.formatSessionReply),
  'mailbox-authorization': codec(
    (wire) => {
      const { caller, verb, host, body, authorization } = fieldsOf(wire);
      const { peerId } = identityNamed(caller);
      const bytes = Buffer.from(textOf(body));
      const isSigned = mailbox.isAuthorized(peerId, verbOf(verb), textOf(host), bytes, textOf(authorization));
      return isSigned ? peerId : undefined;
    },
    (_, wire) => {
      const { caller, verb, host, body } = fieldsOf(wire);
      const authorization = mailbox.authorize(identityNamed(caller), verbOf(verb), textOf(host), textOf(body));
      return { ...fieldsOf(wire), authorization };
    },
  ),
  'pyp2p-text': codec((hex) => decodeText(textOf(hex)), encodeText),
  'pyp2p-reverse': codec((text) => parseReverse(textOf(text)), formatReverse),

  'relay-join': codec((header) => relay.decodeJoin(textOf(header)), relay.encodeJoin),
  'relay-refusal': codec(
    (json) => relay.decodeRefusal(textOf(json)),
    (refusal) => JSON.stringify(refusal),
  ),
  'relay-authorization': codec(
    (wire) => {
      const { caller, host, header, authorization } = fieldsOf(wire);
      const { peerId } = identityNamed(caller);
      const isSigned = relay.isAuthorized(peerId, textOf(host), textOf(header), textOf(authorization));
      return isSigned ? peerId : undefined;
    },
    (_, wire) => {
      const { caller, host, header } = fieldsOf(wire);
      const authorization = relay.authorize(identityNamed(caller), textOf(host), textOf(header));
      return { ...fieldsOf(wire), authorization };
    },
  ),

  'dht-announce': codec((bytes) => dht.decodeAnnounce(bytesOf(bytes))),
  'dht-store': codec((bytes) => dht.decodeStore(bytesOf(bytes)), dht.encodeStore),
  'dht-push': codec(
    (bytes) => dht.decodePush(bytesOf(bytes)),
    ({ secret, push }) => dht.encodePush(secret, push),
  ),
  'dht-join': codec((bytes) => topics.decodeJoin(bytesOf(bytes)), topics.encodeJoin),
  'dht-members': codec((bytes) => topics.decodeMembers(bytesOf(bytes)), topics.encodeMembers),
  'dht-answer': codec((bytes) => dht.decodeAnswer(bytesOf(bytes)), dht.encodeAnswer),
  'dht-receipt': codec(
    (wire) => {
      const { signer, digest, receipt } = fieldsOf(wire);
      const { peerId } = identityNamed(signer);
      return verifySignature(peerId, dht.receiptOf(bytesOf(digest)), bytesOf(receipt)) ? peerId : undefined;
    },
    (_, wire) => {
      const { signer, digest } = fieldsOf(wire);
      return { ...fieldsOf(wire), receipt: identityNamed(signer).sign(dht.receiptOf(bytesOf(digest))) };
    },
  ),

  'lan-message': codec((bytes) => decodeMessage(bytesOf(bytes)), encodeMessage),
  'lan-statement': codec(
    (wire) => {
      const { texts } = fieldsOf(wire);
      const claim = readStatement(listOf(texts).map((text) => Buffer.from(textOf(text))));
      if (claim === undefined || !isSigned(claim)) return undefined;
      const { peerId, time, port, unl } = claim;
      return { peerId, time, port, unl };
    },
    ({ time, port, unl }, wire) => {
      const { signer } = fieldsOf(wire);
      const texts = signStatement(identityNamed(signer), { time, port, unl });
      return { ...fieldsOf(wire), texts: texts.map((text) => text.toString()) };
    },
  ),
  'lan-receipt': codec(
    (wire) => {
      const { signer, parcel, receipt } = fieldsOf(wire);
      const { peerId } = identityNamed(signer);
      return verifySignature(peerId, lanReceiptOf(bytesOf(parcel)), bytesOf(receipt)) ? peerId : undefined;
    },
    (_, wire) => {
      const { signer, parcel } = fieldsOf(wire);
      return { ...fieldsOf(wire), receipt: identityNamed(signer).sign(lanReceiptOf(bytesOf(parcel))) };
    },
  ),

  'room-message': codec(
    (wire) => decodeWireMessage(bytesOf(wire)),
    (message) => encodeWireMessage(message),
  ),

  'mqtt-parcel': codec(
    (bytes) => mqtt.decodeParcel(bytesOf(bytes)),
    ({ parcel, receipts }) => mqtt.encodeParcel(parcel, receipts),
  ),
  'mqtt-receipt': codec(
    (wire) => {
      const { signer, message, receipt } = fieldsOf(wire);
      const { peerId } = identityNamed(signer);
      const read = mqtt.decodeReceipt(bytesOf(receipt));
      const isOfMessage = read?.digest === mqtt.digestOf(bytesOf(message));
      return read !== undefined && isOfMessage && mqtt.isReceiptOf(peerId, read) ? peerId : undefined;
    },
    (_, wire) => {
      const { signer, message } = fieldsOf(wire);
      return { ...fieldsOf(wire), receipt: mqtt.encodeReceipt(identityNamed(signer), bytesOf(message)) };
    },
  ),
};

/** Every kind of vectors that is computed from what is given. */
export const COMPUTED: Readonly<Record<string, (given: Fields) => unknown>> = {
  'rendezvous-proof': ({ signer, nonce, server, at }) => {
    const identity = identityNamed(signer);
    const { peerId } = identity;
    const endpoint = parseEndpoint(textOf(at));
    if (endpoint === undefined) throw new Error('Expected an endpoint');
    const dialled = { server: textOf(server), at: endpoint };
    const proof = proofOf(textOf(nonce), peerId, dialled);
    return {
      signed: proof.toString(),
      line: formatRequest({ verb: 'PROVE', peerId, ...dialled, signature: identity.sign(proof) }),
    };
  },
  'room-topic': ({ name }) => topicOf(textOf(name)).toString('base64url'),
  pairing: pairedIn,
  'attempt-over': ({ attempt }) => overSignal(textOf(attempt)),
  order: ({ arrivals }) => passedInOrder(listOf(arrivals)),
  transport: framesSentIn,
  'files-digest': ({ byte, length }) => {
    const digests = new PieceDigests();
    for (let left = numberOf(length); left > 0; left -= PIECE_BYTES)
      digests.add(digestOfPiece(Buffer.from(new ArrayBuffer(Math.min(left, PIECE_BYTES))).fill(numberOf(byte))));
    return digests.whole;
  },
  'lan-mark': ({ time, topic }) => markOf(Number(time), bytesOf(topic)),
  'lan-instance': ({ node }) => instanceOf(identityNamed(node).peerId),
  'room-keys': ({ name, secret }) =>
    secret === undefined ? openRoomKeys(textOf(name)) : secretRoomKeys(textOf(name), textOf(secret)),
  'room-signed': ({ signer, topic, stream, number, at, kind, payload }) =>
    signMessage(identityNamed(signer), bytesOf(topic), {
      stream: textOf(stream),
      number: numberOf(number),
      at: numberOf(at),
      kind: numberOf(kind),
      payload: bytesOf(payload),
    }),
  'mqtt-inbox': ({ receiver }) => mqtt.inboxOf(identityNamed(receiver).peerId),
  'mqtt-session': ({ node, broker }) => {
    const { clientId, receipts } = mqtt.sessionNames(identityNamed(node), textOf(broker));
    return { clientId, receipts: mqtt.topicOf(receipts) };
  },
  'dht-mailbox': ({ receiver }) => dht.mailboxOf(identityNamed(receiver).peerId),
  'dht-parts': ({ parcel }) =>
    dht.toParts(bytesOf(parcel)).map(({ bytes, ...part }) => ({ ...part, length: bytes.length })),
  'dht-place': ({ topic }) => topics.placeOf(bytesOf(topic)),
  'dht-membership': ({ signer, token, nodeId, at, topic, near, unl }) => {
    const endpoint = parseEndpoint(textOf(at));
    if (endpoint === undefined) throw new Error('Expected an endpoint');
    const signed = topics.membershipOf(bytesOf(token), bytesOf(nodeId), endpoint, bytesOf(topic), bytesOf(unl));
    const signature = identityNamed(signer).sign(signed);
    return {
      signed,
      request: topics.encodeJoin({ topic: bytesOf(topic), near: bytesOf(near), signature, unl: bytesOf(unl) }),
    };
  },
  'dht-announcement': ({ signer, token, nodeId, at, secret }) => {
    const endpoint = parseEndpoint(textOf(at));
    if (endpoint === undefined) throw new Error('Expected an endpoint');
    const signed = dht.announcementOf(bytesOf(token), bytesOf(nodeId), endpoint, bytesOf(secret));
    return { signed, request: dht.encodeAnnounce(identityNamed(signer), bytesOf(secret), signed) };
  },
};

function signalOf(json: unknown): Signal {
  const { kind, body } = fieldsOf(json);
  return { kind: textOf(kind), body: fieldsOf(body) };
}

function verbOf(json: unknown): mailbox.MailboxVerb {
  if (json !== 'put' && json !== 'take') throw new Error('Expected a verb of mailboxes');
  return json;
}

/** The X25519 key of 32 secret bytes (RFC 8410 §7). */
function x25519KeyOf(json: unknown): KeyObject {
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), bytesOf(json)]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}
