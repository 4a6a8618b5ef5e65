import {
  formatPyp2pReply,
  formatPyp2pRequest,
  parsePyp2pReply,
  parsePyp2pRequest,
} from '../../../lib/pyp2p/wire/rendezvous-messages.js';
import { Invitation } from '../../../lib/pairing/invitation.js';
import { Joining } from '../../../lib/pairing/joining.js';
import { decodePairing, encodePairing } from '../../../lib/pairing/messages.js';
import {
  formatPairingNotice,
  formatPairingReply,
  formatPairingRequest,
  parsePairingNotice,
  parsePairingReply,
  parsePairingRequest,
} from '../../../lib/rendezvous/pairing-messages.js';
import { parseRequest, formatRequest, parseReply, formatReply } from '../../../lib/rendezvous/messages.js';
import { decodeJoin, decodeRefusal as decodeRelayRefusal, encodeJoin } from '../../../lib/techniques/relay/protocol.js';
import * as session from '../../../lib/signalling/carriers/mailbox-lines.js';
import * as mailbox from '../../../lib/signalling/carriers/mailbox-messages.js';
import { decodeText, encodeText, formatReverse, parseReverse } from '../../../lib/pyp2p/mailbox-messages.js';
import { peerIdOf } from '../../support/locators.js';
import { expectThat, type Target } from '../target.js';

const [ALICE, BOB] = [peerIdOf(7), peerIdOf(8)];
const MESSAGE = Buffer.from('a message').toString('base64url');
const SIGNATURE = Buffer.alloc(64, 3).toString('base64url');
const NONCE = Buffer.alloc(32, 5).toString('base64url');

/** Whatever is read is written and read as the same, so that nothing else is passed on than what was understood. */
function expectSame<T>(value: T | undefined, write: (value: T) => string, read: (text: string) => T | undefined): void {
  if (value === undefined) return;
  const again = read(write(value));
  expectThat(JSON.stringify(again) === JSON.stringify(value), 'Expected the same message', value, again);
}

/** What both sides of a pairing begin with, and who they are. */
const SHARE = encodePairing({ type: 'share', share: Buffer.alloc(32, 1) }).toString('base64url');
const CODE = { slot: 7, words: ['otter', 'violet'] };
const UNL = 'AwEgBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcCAQADAQBm6fKd';

/** Lines to a rendezvous server. */
export const REQUESTS: readonly Buffer[] = [
  'HELLO 1',
  'HELLO 2',
  `PROVE ${ALICE} ${SIGNATURE}`,
  `PROVE ${ALICE} 127.0.0.1:8000 ${SIGNATURE}`,
  `SEND id-1 ${BOB} ${MESSAGE}`,
  'ADVERTISE AwEgBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcCAQADAQBm6fKd',
  'WITHDRAW',
  'UNLS id-2 100',
  'JOIN id-3 CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk 16 AwEgBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcCAQADAQBm6fKd',
  'LEAVE CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk',
  'PING',
  'INVITE 7',
  'REVOKE 7',
  `PAIR 7 try-1 ${SHARE}`,
  `ANSWER 7 try-1 ${SHARE}`,
  'BOOTSTRAP 20',
  'PASSIVE READY 50500 10',
  'SIMULTANEOUS READY 0 0',
  'SOURCE TCP 4000',
  'SOURCE TCP',
  'CANDIDATE 198.51.100.7 TCP 4000 4001 4002 4003',
  'ACCEPT 198.51.100.7 4000 4001 4002 4003 TCP 1700000000.25',
  'CLEAR',
  'QUIT',
].map((text) => Buffer.from(text));

const REPLIES: readonly Buffer[] = [
  `NONCE ${NONCE} 198.51.100.7:4000`,
  `NONCE ${NONCE} [2001:db8::7]:4000`,
  `NONCE ${NONCE} 2001:db8::7`,
  'WELCOME',
  'WELCOME HTTP 8080 ID abc',
  'SENT id-1',
  'ABSENT id-1',
  `MESSAGE ${ALICE} ${MESSAGE} 198.51.100.7`,
  'LISTED id-2 AgAA AwAA',
  'PONG',
  'SLOT 7 600',
  'NOSLOT 7 taken',
  `TRIED 7 try-1 ${SHARE}`,
  `ANSWERED try-1 ${SHARE}`,
  'UNPAIRED try-1 nobody',
  'REFUSED too-many-lines more than 50 lines a second',
  'NODES p:198.51.100.7:50500 p:198.51.100.8:50500 ',
  'NODES EMPTY',
  'REMOTE TCP 4000',
  'PREDICTION SET',
  'CHALLENGE 198.51.100.7 4000 4001 TCP',
  'FIGHT 198.51.100.7 4000 4001 TCP 1700000000.25',
  'RECONNECT',
].map((text) => Buffer.from(text));

const rendezvous: Target = {
  name: 'rendezvous lines',
  reaches: ['lib/rendezvous/messages', 'lib/rendezvous/pairing-messages', 'lib/pyp2p/wire/rendezvous-messages'],
  seeds: [...REQUESTS, ...REPLIES],
  run: (input) => {
    // A line never has a line break in it.
    const line = input.toString('utf8').replaceAll(/[\r\n]/g, '');
    expectSame(parseRequest(line), formatRequest, parseRequest);
    expectSame(parseReply(line), formatReply, parseReply);
    expectSame(parsePairingRequest(line), formatPairingRequest, parsePairingRequest);
    expectSame(parsePairingReply(line), formatPairingReply, parsePairingReply);
    expectSame(parsePairingNotice(line), formatPairingNotice, parsePairingNotice);
    expectSame(parsePyp2pRequest(line), formatPyp2pRequest, parsePyp2pRequest);
    expectSame(parsePyp2pReply(line), formatPyp2pReply, parsePyp2pReply);
  },
};

/** Any bytes, to either side of a pairing, at its beginning and in its middle: without the code nobody becomes a pair. */
const pairing: Target = {
  name: 'messages of a pairing',
  reaches: ['lib/pairing'],
  seeds: [
    encodePairing({ type: 'share', share: Buffer.alloc(32, 1) }),
    encodePairing({ type: 'proof', confirmation: Buffer.alloc(64, 1), sealed: Buffer.alloc(528, 1) }),
    encodePairing({ type: 'refusal', reason: 'wrong' }),
  ],
  run: (input) => {
    const message = decodePairing(input);
    if (message !== undefined)
      expectThat(encodePairing(message).equals(input), 'Expected the same message', input, message);
    const invitation = new Invitation({ code: CODE, peerId: ALICE, unl: () => UNL });
    const joining = new Joining({ code: CODE, id: '1', peerId: BOB, unl: UNL });
    const answered = new Joining({ code: CODE, id: '1', peerId: BOB, unl: UNL });
    const { answer } = invitation.take({ way: '', id: '1', message: answered.first });
    if (answer !== undefined) answered.take(answer);
    for (const { end } of ['1', '2', '3'].map((id) => invitation.take({ way: '', id, message: input })))
      expectThat(typeof end !== 'object', 'Expected nobody to be a pair', end);
    for (const step of [joining.take(input), answered.take(input)])
      expectThat(!('peer' in step), 'Expected nobody to be a pair', step);
  },
};

export const PUT = { from: ALICE, to: BOB, id: 'id-1', at: 1_700_000_000_000, keepMs: 60_000, message: MESSAGE };
export const TAKE = { owner: BOB, at: 1_700_000_000_001, waitMs: 0, acknowledge: ['r1'], holding: ['r2'] };

const mailboxes: Target = {
  name: 'mailbox messages',
  reaches: ['lib/signalling/carriers/mailbox-messages', 'lib/signed-request', 'lib/validate'],
  seeds: [
    mailbox.encode(PUT),
    mailbox.encode(TAKE),
    mailbox.encode({ delivered: true }),
    mailbox.encode({ refused: 'too-often', words: 'later', now: 1_700_000_000_000 }),
    mailbox.encodeTaken([{ receipt: 'r1', from: ALICE, message: MESSAGE, seenAt: '198.51.100.7', ageMs: 5 }]),
  ].map((text) => Buffer.from(text)),
  run: (input) => {
    const text = input.toString('utf8');
    expectSame(mailbox.decodePut(text), mailbox.encode, mailbox.decodePut);
    expectSame(mailbox.decodeTake(text), mailbox.encode, mailbox.decodeTake);
    expectSame(mailbox.decodeTaken(text), mailbox.encodeTaken, mailbox.decodeTaken);
    expectSame(mailbox.decodeRefusal(text), mailbox.encode, mailbox.decodeRefusal);
    mailbox.decodeDelivered(text);
    mailbox.isAuthorized(ALICE, 'put', 'host', input, text);
  },
};

/** Lines of a session with a mailbox, but for the proof. */
export const SESSION_REQUESTS = [
  session.formatSessionRequest({ verb: 'PUT', id: 'id-1', to: BOB, keepMs: 60_000, message: MESSAGE }),
  session.formatSessionRequest({ verb: 'TAKE', holding: [] }),
  session.formatSessionRequest({ verb: 'TAKE', holding: ['r1', 'r2'] }),
  session.formatSessionRequest({ verb: 'ACK', receipts: ['r1', 'r2'] }),
  'PING',
].map((text) => Buffer.from(text));

const mailboxLines: Target = {
  name: 'lines of a session with a mailbox',
  reaches: ['lib/signalling/carriers/mailbox-lines', 'lib/validate'],
  seeds: [
    ...SESSION_REQUESTS,
    ...[
      session.formatSessionRequest({
        verb: 'PROVE',
        peerId: ALICE,
        server: 'rv.example.org:8080',
        at: { address: '198.51.100.7', port: 8080 },
        signature: Buffer.alloc(64, 7),
      }),
      `NONCE ${Buffer.alloc(32, 5).toString('base64url')} 1700000000000`,
      'DELIVERED id-1',
      'KEPT id-1',
      'DECLINED id-1 too-often later',
      session.formatSessionReply({
        verb: 'MESSAGE',
        receipt: 'r1',
        from: ALICE,
        message: MESSAGE,
        seenAt: '198.51.100.7',
        ageMs: 5,
      }),
      'PONG 1700000000000',
      'REFUSED replaced by another',
    ].map((text) => Buffer.from(text)),
  ],
  run: (input) => {
    const line = input.toString('utf8').replaceAll(/[\r\n]/g, '');
    expectSame(session.parseSessionRequest(line), session.formatSessionRequest, session.parseSessionRequest);
    expectSame(session.parseSessionReply(line), session.formatSessionReply, session.parseSessionReply);
  },
};

const JOIN = { from: ALICE, to: BOB, token: Buffer.alloc(16, 5).toString('base64url'), at: 1_700_000_000_000 };

const relay: Target = {
  name: 'relay messages',
  reaches: ['lib/techniques/relay/protocol'],
  seeds: [encodeJoin(JOIN), JSON.stringify(JOIN), '{"refused":"gone","words":"gone","now":1}'].map((text) =>
    Buffer.from(text),
  ),
  run: (input) => {
    const text = input.toString('utf8');
    // What is changed in JSON is more to the point than what is changed in its base64url.
    for (const header of [text, input.toString('base64url')]) expectSame(decodeJoin(header), encodeJoin, decodeJoin);
    decodeRelayRefusal(text);
  },
};

const pyp2p: Target = {
  name: "PyP2P's messages",
  reaches: ['lib/pyp2p/mailbox-messages'],
  seeds: [
    Buffer.from(encodeText('a text')),
    Buffer.from(encodeText('x'.repeat(40))),
    ...['REVERSE_CONNECT', 'REVERSE_QUERY', 'REVERSE_ORIGIN'].map((verb) =>
      Buffer.from(
        `${verb}:AgAAAAAAAAAAAAAAAAAAAAAAAAAAc2dtnK0BLS0tAgABCqhfKnY=${verb === 'REVERSE_CONNECT' ? `:${'0'.repeat(64)}` : ''}`,
      ),
    ),
  ],
  run: (input) => {
    const text = input.toString('latin1');
    decodeText(text);
    expectSame(parseReverse(text), formatReverse, parseReverse);
  },
};

export const MESSAGE_TARGETS: readonly Target[] = [rendezvous, pairing, mailboxes, mailboxLines, relay, pyp2p];
