import { constants } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls, createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { firstValueFrom, noop, type Observable } from 'rxjs';
import split2 from 'split2';
import { DEFAULT_LIMITS } from '../../lib/config.js';
import { createIdentity, createNet, type Connection, type Net, type NetConfig } from '../../lib/index.js';
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
  /** Writes one line. */
  send(text: string): void;
  /** Resolves when both sides have closed. */
  close(): Promise<void>;
}

/** The nodes by kind, each made with a key of its own. */
const NODES = { rxp2p: rxp2pNode, tls: tlsNode } as const;

/** A node of this kind. */
export function nodeOf(kind: string): BenchNode {
  return oneOf(NODES, kind)();
}

/** What has this name. */
export function oneOf<T>(all: Readonly<Record<string, T>>, name: string): T {
  const found = all[name];
  if (found === undefined) throw new RangeError(`Expected one of ${Object.keys(all).join(', ')}, got ${name}`);
  return found;
}

const HOST = '127.0.0.1';

/** Enough for every benchmark; the default is 1024. */
const SLOTS = 10_000;

/** A node of ours on this machine. */
export function rxp2pNet(config: Partial<NetConfig> = {}): Net {
  return createNet({ mode: 'direct', bind: HOST, slots: { inbound: SLOTS, outbound: SLOTS }, ...config });
}

function rxp2pNode(): BenchNode {
  const net = rxp2pNet();
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
    send: (text) => {
      connection.send(text);
    },
    close: async () => {
      connection.close();
      await firstValueFrom(connection.closed$);
    },
  };
}

/** Reads a stream that does not fail; should it, the process ends with the error. */
export function read<T>(stream$: Observable<T>, next: (value: T) => void): void {
  stream$.subscribe({
    next,
    error: (error: unknown) => {
      throw error;
    },
  });
}

/** Bare TLS with a key of its own. */
export interface TlsEnds {
  /** Takes connections in; resolves to where they are to be made to. */
  listen(next: (socket: TLSSocket) => void): Promise<string>;
  /** Makes a connection, with as much room for waiting writes as ours, instead of Node's 16 KiB. */
  connect(where: string): Promise<TLSSocket>;
}

/** Bare TLS, with the same settings as ours: version 1.3, Ed25519, certificates on both sides. */
export function tlsEnds(): TlsEnds {
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
        const server = createTlsServer({ ...settings, noDelay: true }, next);
        server.listen(0, HOST, () => {
          resolve(portOf(server.address()));
        });
      }),
    connect: (where) =>
      new Promise((resolve, reject) => {
        // Node takes the mark; its types do not know.
        const to = { host: HOST, port: Number(where), highWaterMark: DEFAULT_LIMITS.sendHighWaterBytes };
        const socket = connectTls({ ...to, secureContext, rejectUnauthorized: false });
        socket.setNoDelay(true);
        socket.once('error', reject).once('secureConnect', () => {
          resolve(socket);
        });
      }),
  };
}

function tlsNode(): BenchNode {
  const ends = tlsEnds();
  return {
    listen: (next) =>
      ends.listen((socket) => {
        next(socketWire(socket));
      }),
    connect: async (where) => socketWire(await ends.connect(where)),
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
    send: (text) => {
      socket.write(`${text}\n`);
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

/** The port that a server was given. */
export function portOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') throw new TypeError('Expected a TCP address');
  return String(address.port);
}
