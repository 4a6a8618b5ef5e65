import { constants } from 'node:crypto';
import { connect as connectTcp, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, createServer as createTlsServer } from 'node:tls';
import { firstValueFrom, noop, type Observable } from 'rxjs';
import split2 from 'split2';
import { DEFAULT_LIMITS } from '../../lib/config.js';
import { createIdentity, createNet, type Connection } from '../../lib/index.js';
import { selfSignedCertificate } from '../../lib/certificate.js';

/** Something that connects and is connected to: ours, or an alternative. */
export interface BenchNode {
  /** Takes connections in; resolves to where they are to be made to. */
  listen(next: (wire: Wire) => void): Promise<string>;
  /** Makes a connection; resolves when it may be written to. */
  connect(where: string): Promise<Wire>;
}

/** A connection that carries lines. */
export interface Wire {
  /** Reads line by line. */
  onLine(next: (text: string) => void): void;
  /** Reads and forgets, for a connection that idles. */
  idle(): void;
  /** Writes one line; after `false` wait for `onDrain`. */
  send(text: string): boolean;
  onDrain(next: () => void): void;
  /** Resolves when both sides have closed. */
  close(): Promise<void>;
}

/** The nodes by kind, each made with a key of its own. */
export const NODES = {
  rxp2p: rxp2pNode,
  tls: () => tlsNode(socketWire),
  /** With as much room for waiting writes as ours, instead of Node's 16 KiB. */
  wideTls: () => tlsNode(socketWire, DEFAULT_LIMITS.sendHighWaterBytes),
  /** And with lines that were made bytes before the start, which no text of an application is. */
  readyTls: () => tlsNode(readyWire, DEFAULT_LIMITS.sendHighWaterBytes),
  plain: plainNode,
} as const;

/** What can be measured. */
export type Kind = keyof typeof NODES;

/** A node of this kind. */
export function nodeOf(kind: string): BenchNode {
  const found = Object.entries(NODES).find(([name]) => name === kind);
  if (found === undefined) throw new RangeError(`Expected a kind of node, got ${kind}`);
  return found[1]();
}

const HOST = '127.0.0.1';

/** Enough for every benchmark; the default is 1024. */
const SLOTS = 10_000;

function rxp2pNode(): BenchNode {
  const net = createNet({ mode: 'direct', bind: HOST, slots: { inbound: SLOTS, outbound: SLOTS } });
  return {
    listen: (next) => {
      read(net.connections$, (connection) => {
        next(rxp2pWire(connection));
      });
      return firstValueFrom(net.unl$);
    },
    connect: async (unl) => rxp2pWire(await firstValueFrom(net.connect$(unl))),
  };
}

function rxp2pWire(connection: Connection): Wire {
  return {
    onLine: (next) => {
      read(connection.lines$, next);
    },
    idle: () => {
      read(connection.lines$, noop);
    },
    send: (text) => connection.send(text),
    onDrain: (next) => {
      read(connection.drain$, next);
    },
    close: async () => {
      connection.close();
      await firstValueFrom(connection.closed$);
    },
  };
}

/** Reads a stream that does not fail; should it, the process ends with the error. */
function read<T>(stream$: Observable<T>, next: (value: T) => void): void {
  stream$.subscribe({
    next,
    error: (error: unknown) => {
      throw error;
    },
  });
}

/** Bare TLS, with the same settings as ours: version 1.3, Ed25519, certificates on both sides. */
function tlsNode(wireOf: (socket: Socket) => Wire, highWaterMark?: number): BenchNode {
  const identity = createIdentity();
  const settings = {
    cert: selfSignedCertificate(identity),
    key: identity.privateKey,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
    requestCert: true,
    rejectUnauthorized: false,
  } as const;
  const secureContext = createSecureContext(settings);
  return {
    listen: (next) =>
      new Promise((resolve) => {
        const server = createTlsServer({ ...settings, noDelay: true }, (socket) => {
          next(wireOf(socket));
        });
        server.listen(0, HOST, () => {
          resolve(portOf(server.address()));
        });
      }),
    connect: (where) =>
      new Promise((resolve, reject) => {
        // Node takes the mark; its types do not know.
        const to = { host: HOST, port: Number(where), highWaterMark };
        const socket = connectTls({ ...to, secureContext, rejectUnauthorized: false });
        socket.setNoDelay(true);
        socket.once('error', reject).once('secureConnect', () => {
          resolve(wireOf(socket));
        });
      }),
  };
}

function plainNode(): BenchNode {
  return {
    listen: (next) =>
      new Promise((resolve) => {
        const server = createTcpServer({ noDelay: true }, (socket) => {
          next(socketWire(socket));
        });
        server.listen(0, HOST, () => {
          resolve(portOf(server.address()));
        });
      }),
    connect: (where) =>
      new Promise((resolve, reject) => {
        const socket = connectTcp({ host: HOST, port: Number(where), noDelay: true });
        socket.once('error', reject).once('connect', () => {
          resolve(socketWire(socket));
        });
      }),
  };
}

/** Lines over a stream as most programs write them: split2, and one write a line. */
function socketWire(socket: Socket): Wire {
  socket.on('error', noop);
  return {
    onLine: (next) => {
      socket.pipe(split2()).on('data', next);
    },
    idle: () => {
      socket.resume();
    },
    send: (text) => socket.write(`${text}\n`),
    onDrain: (next) => {
      socket.on('drain', next);
    },
    close: () =>
      new Promise((resolve) => {
        socket.once('close', () => {
          resolve();
        });
        socket.end();
      }),
  };
}

function readyWire(socket: Socket): Wire {
  const ready = new Map<string, Buffer>();
  const bytesOf = (text: string): Buffer => {
    const bytes = ready.get(text) ?? Buffer.from(`${text}\n`);
    ready.set(text, bytes);
    return bytes;
  };
  return { ...socketWire(socket), send: (text) => socket.write(ready.get(text) ?? bytesOf(text)) };
}

/** The port that a server was given. */
export function portOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') throw new TypeError('Expected a TCP address');
  return String(address.port);
}
