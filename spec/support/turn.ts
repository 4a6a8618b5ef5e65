import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Endpoint } from '../../lib/endpoint.js';
import { longTermKey, readIntact, withIntegrity } from '../../lib/stun/integrity.js';
import {
  ATTRIBUTE,
  attributeIn,
  decodeStun,
  encodeStun,
  readXorAddress,
  stunSplitter,
  withFingerprint,
  xorAddress,
  type StunAttribute,
  type StunMessage,
} from '../../lib/stun/messages.js';
import { connectionId, lifetime, lifetimeIn, TURN_METHOD } from '../../lib/stun/turn.js';
import type { TurnServer } from '../../lib/stun/turn-name.js';
import { addressOf, type Lab } from './nodes.js';

const [USERNAME, PEER_ADDRESS, REALM, NONCE, RELAYED_ADDRESS] = [0x0006, 0x0012, 0x0014, 0x0015, 0x0016];

const USER = { username: 'alice', credential: 'secret' };
const KEY = longTermKey(USER.username, 'example.org', USER.credential);

/** A server of TURN by TCP that says what a spec wants, and else what an honest one does. */
export class FakeTurn {
  /** What it was asked, by the name of the method. */
  readonly heard: string[] = [];
  /** The lifetimes that were asked for, in seconds. */
  readonly lifetimes: (number | undefined)[] = [];
  /** The endpoints that it was asked to dial. */
  readonly dialled: (Endpoint | undefined)[] = [];
  /** The control connections, and those of data. */
  readonly sockets: Socket[] = [];
  /** The code with which it refuses a request; `undefined`: it does not. */
  refusal: (method: string, count: number) => number | undefined = () => undefined;
  /** What it sends in the place of its answer; `undefined`: the answer. */
  instead: (method: string, request: StunMessage, answer: Buffer) => Buffer | undefined = () => undefined;
  /** How it names a connection that it has made to a peer. */
  connection = Buffer.of(5, 6, 7, 8);
  /** What it sends behind the answer to a ConnectionBind, in the same packet. */
  greeting = Buffer.alloc(0);
  relayed: Endpoint = { address: '192.0.2.1', port: 50_000 };
  seconds = 600;
  nonce = 'nonce-1';
  server: TurnServer = { host: '127.0.0.1', port: 1, credentials: () => USER };

  static async start(lab: Lab): Promise<FakeTurn> {
    const fake = new FakeTurn();
    const server = createServer((socket) => {
      fake.sockets.push(socket);
      lab.onClose(() => socket.destroy());
      const split = stunSplitter();
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        for (const bytes of split(chunk)) fake.#answer(bytes, socket);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    fake.server = { ...fake.server, port: addressOf(server).port };
    return fake;
  }

  /** The first connection. */
  get control(): Socket {
    const [first] = this.sockets;
    if (first === undefined) throw new Error('Nobody has connected yet');
    return first;
  }

  /** Tells the holder of the first connection that a peer has dialled. */
  announce(id: Buffer, from: Endpoint = { address: '192.0.2.9', port: 40_000 }): void {
    const transaction = Buffer.alloc(12, 9);
    const method = TURN_METHOD.connectionAttempt;
    const attributes = [connectionId(id), { type: PEER_ADDRESS, value: xorAddress(from, transaction) }];
    const message = encodeStun({ method, class: 'indication', transaction, attributes });
    this.control.write(message);
  }

  #answer(bytes: Buffer, socket: Socket): void {
    const request = decodeStun(bytes);
    if (request === undefined) throw new Error('Expected a message of STUN');
    const name = Object.entries(TURN_METHOD).find(([, method]) => method === request.method)?.[0] ?? 'another';
    this.heard.push(name);
    if (name === 'allocate' || name === 'refresh') this.lifetimes.push(lifetimeIn(request));
    const peer = name === 'connect' ? attributeIn(request, PEER_ADDRESS) : undefined;
    if (peer !== undefined) this.dialled.push(readXorAddress(peer, request.transaction));
    const answer = this.#answerTo(name, bytes, request);
    const sent = this.instead(name, request, answer) ?? answer;
    socket.write(name === 'connectionBind' ? Buffer.concat([sent, this.greeting]) : sent);
  }

  #answerTo(name: string, bytes: Buffer, request: StunMessage): Buffer {
    const { method, transaction } = request;
    const isSigned = attributeIn(request, USERNAME) !== undefined;
    const nonce = Buffer.from(attributeIn(request, NONCE) ?? []).toString();
    const count = this.heard.filter((each) => each === name).length;
    const code = !isSigned
      ? 401
      : nonce !== this.nonce
        ? 438
        : (this.refusal(name, count) ?? (readIntact(bytes, KEY) === undefined ? 401 : undefined));
    if (code !== undefined) {
      const attributes = [
        { type: ATTRIBUTE.errorCode, value: Buffer.of(0, 0, Math.floor(code / 100), code % 100) },
        { type: REALM, value: Buffer.from('example.org') },
        { type: NONCE, value: Buffer.from(this.nonce) },
      ];
      return withFingerprint(encodeStun({ method, class: 'error', transaction, attributes }));
    }
    const attributes: StunAttribute[] = name === 'allocate' || name === 'refresh' ? [lifetime(this.seconds)] : [];
    if (name === 'allocate') attributes.push({ type: RELAYED_ADDRESS, value: xorAddress(this.relayed, transaction) });
    if (name === 'connect') attributes.push(connectionId(this.connection));
    return withFingerprint(withIntegrity(encodeStun({ method, class: 'success', transaction, attributes }), KEY));
  }
}
