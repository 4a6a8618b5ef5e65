import { connect, type Socket } from 'node:net';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { formatRequest, proofOf } from '../../lib/rendezvous/messages.js';

/** A client that does as little as a client can, so that what is measured is the server. */
export interface RawClient {
  readonly socket: Socket;
  /** How others reach it. */
  readonly name: string;
}

/** How raw clients speak to a server. */
export interface RawProtocol {
  /** Makes beforehand what a client needs. */
  prepare(): Identity | undefined;
  /** Connects a client, and waits until others reach it. */
  open(prepared: Identity | undefined, to: Place): Promise<RawClient>;
  /** What a client writes to have a message brought to another. */
  message(to: RawClient, content: Buffer): Buffer;
  /** How many bytes a client then gets. */
  lengthAt(from: RawClient, to: RawClient, content: Buffer): number;
}

/** Where a client connects to, and from which local address. */
export interface Place {
  readonly port: number;
  readonly localAddress: string;
}

const HOST = '127.0.0.1';

/** Clients of the rendezvous server, each with its own key. */
export const sessions: RawProtocol = {
  prepare: createIdentity,
  open: async (identity, place) => {
    if (identity === undefined) throw new TypeError('Expected an identity');
    const socket = await connected(place);
    const { peerId } = identity;
    const at = { address: HOST, port: place.port };
    const server = `${HOST}:${place.port}`;
    const [, nonce = ''] = (await asked(socket, 'HELLO 2\r\n')).toString().trimEnd().split(' ');
    const signature = identity.sign(proofOf(nonce, peerId, { server, at }));
    const welcome = await asked(socket, `${formatRequest({ verb: 'PROVE', peerId, server, at, signature })}\r\n`);
    expectStart(welcome, 'WELCOME');
    return { socket, name: peerId };
  },
  message: ({ name }, content) => Buffer.from(`SEND a ${name} ${content.toString('base64url')}\r\n`),
  lengthAt: ({ name, socket }, _, content) =>
    `MESSAGE ${name} ${content.toString('base64url')} ${socket.localAddress ?? ''}\r\n`.length,
};

/** Clients that speak PyP2P's protocol and have said one line. */
export const pyp2pClients: RawProtocol = {
  ...sessions,
  prepare: () => undefined,
  open: async (_, place) => {
    const socket = await connected(place);
    expectStart(await asked(socket, 'SOURCE TCP\r\n'), 'REMOTE TCP');
    return { socket, name: '' };
  },
};

/** Sockets on which nothing is said. */
export const bareSockets: RawProtocol = {
  ...pyp2pClients,
  open: async (_, place) => ({ socket: await connected(place), name: '' }),
};

let subscribers = 0;

/** Clients of an MQTT broker (MQTT 3.1.1), each with one subscription, QoS 0, to a topic that is as long as a peer id. */
export const mqttClients: RawProtocol = {
  prepare: () => undefined,
  open: async (_, place) => {
    const socket = await connected(place);
    const name = `${process.pid}-${++subscribers}-`.padEnd(43, 'x');
    // §3.1: protocol level 4, a clean session, no keep-alive.
    const hello = Buffer.concat([textOf('MQTT'), Buffer.from([4, 2, 0, 0]), textOf(name)]);
    expectStart(await asked(socket, packet(0x10, hello)), Buffer.from([0x20, 2, 0, 0]));
    const subscribe = Buffer.concat([Buffer.from([0, 1]), textOf(name), Buffer.from([0])]);
    expectStart(await asked(socket, packet(0x82, subscribe)), Buffer.from([0x90, 3, 0, 1, 0]));
    return { socket, name };
  },
  message: ({ name }, content) => packet(0x30, Buffer.concat([textOf(name), content])),
  lengthAt: (_, { name }, content) => packet(0x30, Buffer.concat([textOf(name), content])).length,
};

function connected({ port, localAddress }: Place): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port, localAddress, noDelay: true });
    socket.once('error', reject).once('connect', () => {
      resolve(socket);
    });
  });
}

/** Writes something, and waits for what comes next. */
function asked(socket: Socket, question: string | Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    socket.once('data', resolve);
    socket.write(question);
  });
}

function expectStart(answer: Buffer, start: string | Buffer): void {
  const expected = Buffer.from(start);
  if (!answer.subarray(0, expected.length).equals(expected)) {
    throw new Error(`Expected ${String(start)}, got ${String(answer)}`);
  }
}

/** MQTT 3.1.1 §1.5.3. */
function textOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** MQTT 3.1.1 §2.2: the length goes in groups of seven bits. */
function packet(type: number, rest: Buffer): Buffer {
  const length: number[] = [];
  for (let left = rest.length; left > 0 || length.length === 0; left >>= 7) {
    length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
  }
  return Buffer.concat([Buffer.from([type, ...length]), rest]);
}
