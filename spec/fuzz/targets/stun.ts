import { isPort } from '../../../lib/endpoint.js';
import { ProtocolError } from '../../../lib/errors.js';
import {
  ATTRIBUTE,
  BINDING,
  decodeStun,
  encodeStun,
  errorIn,
  hasUnknownAttribute,
  mappedAddressIn,
  otherAddressIn,
  plainAddress,
  stunDecoder,
  withFingerprint,
  xorAddress,
  type StunMessage,
} from '../../../lib/stun/messages.js';
import { longTermKey, readIntact, withIntegrity } from '../../../lib/stun/integrity.js';
import {
  allocatedIn,
  challengeIn,
  connectionAttemptIn,
  connectionId,
  connectionIdIn,
  credentialsOf,
  lifetime,
  lifetimeIn,
  TURN_METHOD,
} from '../../../lib/stun/turn.js';
import { chunksOf, expectThat, orFails, type Target } from '../target.js';

const TRANSACTION = Buffer.alloc(12, 7);
const SEEN = { address: '192.0.2.1', port: 32_853 };
const SEEN_BY_IPV6 = { address: '2001:db8::7', port: 1 };

/** Answers of a server as they come when all is well, and a refusal. */
const ANSWERS: readonly Buffer[] = [
  [{ type: ATTRIBUTE.xorMappedAddress, value: xorAddress(SEEN, TRANSACTION) }],
  [{ type: ATTRIBUTE.xorMappedAddress, value: xorAddress(SEEN_BY_IPV6, TRANSACTION) }],
  [
    { type: ATTRIBUTE.mappedAddress, value: plainAddress(SEEN) },
    { type: ATTRIBUTE.otherAddress, value: plainAddress({ address: '192.0.2.2', port: 3_479 }) },
    { type: 0x8022, value: Buffer.from('a server') },
  ],
  [{ type: ATTRIBUTE.errorCode, value: Buffer.concat([Buffer.of(0, 0, 4, 20), Buffer.from('Unknown Attribute')]) }],
].map((attributes) => encodeStun({ method: BINDING, class: 'success', transaction: TRANSACTION, attributes }));

const KEY = longTermKey('alice', 'example.org', 'secret');

/** What a TURN server says. */
const TURN_ANSWERS: readonly Buffer[] = [
  {
    method: TURN_METHOD.allocate,
    class: 'success' as const,
    attributes: [{ type: 0x0016, value: xorAddress(SEEN, TRANSACTION) }, lifetime(600)],
  },
  {
    method: TURN_METHOD.connectionAttempt,
    class: 'indication' as const,
    attributes: [connectionId(Buffer.of(1, 2, 3, 4)), { type: 0x0012, value: xorAddress(SEEN, TRANSACTION) }],
  },
  {
    method: TURN_METHOD.connect,
    class: 'success' as const,
    attributes: [connectionId(Buffer.of(5, 6, 7, 8))],
  },
  {
    method: TURN_METHOD.connect,
    class: 'error' as const,
    attributes: [{ type: ATTRIBUTE.errorCode, value: Buffer.concat([Buffer.of(0, 0, 4, 47), Buffer.from('Timeout')]) }],
  },
  {
    method: TURN_METHOD.allocate,
    class: 'error' as const,
    attributes: credentialsOf({ username: 'alice', realm: Buffer.from('example.org'), nonce: Buffer.from('nonce') }),
  },
].map((message) => withIntegrity(encodeStun({ ...message, transaction: TRANSACTION }), KEY));

const turn: Target = {
  name: 'TURN answers',
  reaches: ['lib/stun/turn', 'lib/stun/integrity'],
  seeds: [...TURN_ANSWERS, ...TURN_ANSWERS.map(withFingerprint)],
  run: (input) => {
    const message = decodeStun(input);
    if (message === undefined) return;
    const { relayed } = allocatedIn(message) ?? {};
    expectThat(relayed === undefined || isPort(relayed.port), 'Expected an endpoint to dial', relayed);
    lifetimeIn(message);
    challengeIn(message);
    const [id, attempt] = [connectionIdIn(message), connectionAttemptIn(message)];
    expectThat(id === undefined || id.length === 4, 'Expected the id of a connection', id);
    expectThat(attempt === undefined || id !== undefined, 'Expected an attempt to name a connection', attempt);
    // Only what was not changed counts.
    const intact = readIntact(input, KEY);
    const isSent = TURN_ANSWERS.some((sent) => input.subarray(20, sent.length).equals(sent.subarray(20)));
    expectThat(intact === undefined || isSent, 'Expected what the server has signed', input);
  },
};

const answers: Target = {
  name: 'STUN answers',
  reaches: ['lib/stun/messages'],
  seeds: [...ANSWERS, ...ANSWERS.map(withFingerprint), Buffer.concat(ANSWERS)],
  run: (input, chance) => {
    const message = decodeStun(input);
    if (message !== undefined) {
      const again = decodeStun(encodeStun(message));
      expectThat(JSON.stringify(again) === JSON.stringify(message), 'Expected the same message', message, again);
      for (const endpoint of [mappedAddressIn(message), otherAddressIn(message)])
        expectThat(endpoint === undefined || isPort(endpoint.port), 'Expected an endpoint to send to', endpoint);
      const { words = '' } = errorIn(message) ?? {};
      expectThat(!/\p{Cc}|\u202e/u.test(words), 'Expected words without controls', words);
      hasUnknownAttribute(message);
    }
    const [whole, cut] = [readAll([input]), readAll(chunksOf(input, chance))];
    const isSame = whole === undefined ? cut === undefined : JSON.stringify(whole) === JSON.stringify(cut);
    expectThat(isSame, 'Expected the same however it is cut', whole, cut);
    expectThat((whole ?? []).length <= input.length / 20, 'Expected no more messages than there are headers', whole);
  },
};

/** The messages in a stream; `undefined` where it has something that is none. */
function readAll(chunks: readonly Buffer[]): readonly StunMessage[] | undefined {
  return orFails([ProtocolError], () => {
    const decode = stunDecoder();
    return chunks.flatMap((chunk) => decode(chunk));
  });
}

export const STUN_TARGETS: readonly Target[] = [answers, turn];
