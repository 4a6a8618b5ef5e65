import { Rxp2pError } from '../errors.js';
import type { MqttVersion } from './packets.js';

/** From here on a reason code of MQTT 5 says that something has failed (§2.4). */
export const FIRST_FAILURE = 0x80;

/** Nobody has subscribed to the topic of a message (MQTT 5 §3.4.2.1). */
export const NO_SUBSCRIBERS = 0x10;

/** A packet is longer than the other side takes. */
export const PACKET_TOO_LARGE = 0x95;

/** What the codes of CONNACK in MQTT 3.1.1 say (§3.2.2.3). */
const OLD_REASONS: Readonly<Record<number, string>> = {
  1: 'it does not speak this version of MQTT',
  2: 'the client id is not allowed',
  3: 'it is not available',
  4: 'the name or the password is wrong',
  5: 'this client is not authorized',
};

/** What reason codes of MQTT 5 say that a user can do something about (§2.4). */
const REASONS: Readonly<Record<number, string>> = {
  0x80: 'it does not say why',
  0x84: 'it does not speak this version of MQTT',
  0x85: 'the client id is not allowed',
  0x86: 'the name or the password is wrong',
  0x87: 'this client is not authorized',
  0x88: 'it is not available',
  0x89: 'it is busy',
  0x8a: 'this client is banned',
  0x8b: 'it is shutting down',
  0x8c: 'it wants another method of authentication',
  0x8d: 'this client was silent for too long',
  0x8e: 'somebody else has connected with the key of this node',
  0x8f: 'the topic is not allowed',
  0x90: 'the topic is not allowed',
  0x93: 'this client has sent too much at once',
  0x95: 'a packet was too large',
  0x96: 'this client has sent too much',
  0x97: 'a quota is used up',
  0x98: 'an administrator has ended the connection',
  0x9c: 'another broker is to be used',
  0x9d: 'the broker has moved',
  0x9f: 'this client connects too often',
};

/** What a broker's code says, in words of ours: those of a broker are anybody's. */
export function reasonFor(code: number, version: MqttVersion): string {
  const reason = (version === 5 ? REASONS : OLD_REASONS)[code] ?? OLD_REASONS[code];
  return reason ?? `reason code ${code}`;
}

/** A broker refused (`PROTOCOL`). */
export class BrokerRefusedError extends Rxp2pError {
  constructor(
    reason: string,
    /** Whether another version of MQTT may do. */
    readonly isOfVersion = false,
  ) {
    super('PROTOCOL', `refuses: ${reason}`);
  }
}

/** A broker ended the connection before it had answered: one of an old version may do so to a client of a newer one. */
export class UnansweredError extends Rxp2pError {
  constructor(options: ErrorOptions) {
    super('CLOSED', 'it closed the connection without an answer', options);
  }
}

/** Messages were left unacknowledged for so long that the broker is to bring them again (`CLOSED`). */
export class BringAgainError extends Rxp2pError {
  constructor() {
    super('CLOSED', 'messages are to be brought again');
  }
}
