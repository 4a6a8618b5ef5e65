import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createServer as createTlsServer } from 'node:tls';
import type { Endpoint, ServerAddress } from '../../lib/endpoint.js';
import {
  ATTRIBUTE,
  BINDING,
  encodeStun,
  plainAddress,
  stunDecoder,
  withFingerprint,
  xorAddress,
  type StunAttribute,
  type StunMessage,
} from '../../lib/stun/messages.js';
import { freePort } from './free-port.js';
import type { Lab } from './nodes.js';
import type { WebCertificate } from './web-certificate.js';
import { hasProgram } from './installed-programs.js';

/** Where a server sees a socket. */
export function seenAt({ remoteAddress = '', remotePort = 0 }: Socket): Endpoint {
  return { address: remoteAddress, port: remotePort };
}

/** What an honest server says to a request. */
export function answerTo(request: StunMessage, observed: Endpoint, others: readonly StunAttribute[] = []): Buffer {
  const seen = { type: ATTRIBUTE.xorMappedAddress, value: xorAddress(observed, request.transaction) };
  return withFingerprint(answerWith(request, [seen, ...others]));
}

/** An answer with these attributes alone. */
export function answerWith({ transaction }: StunMessage, attributes: readonly StunAttribute[]): Buffer {
  return encodeStun({ method: BINDING, class: 'success', transaction, attributes });
}

/** OTHER-ADDRESS, as a server has it. */
export function otherAddress(address: string): StunAttribute {
  return { type: ATTRIBUTE.otherAddress, value: plainAddress({ address, port: 3_479 }) };
}

/** What a server of these specs does. */
export interface StunServerOptions {
  /** Default: 127.0.0.1. */
  readonly address?: string;
  /** Default: one that is free. */
  readonly port?: number;
  /** Speaks TLS with it. */
  readonly certificate?: WebCertificate;
  /** By what TLS agrees on. */
  readonly protocols?: readonly string[];
}

/** A server that answers what it is asked by TCP, honestly or not, until the spec is over. */
export async function stunServer(
  lab: Lab,
  onRequest: (request: StunMessage, socket: Socket) => unknown,
  { address = '127.0.0.1', port = 0, certificate, protocols = [] }: StunServerOptions = {},
): Promise<ServerAddress> {
  const onSocket = (socket: Socket) => {
    const decode = stunDecoder();
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const request of decode(chunk)) onRequest(request, socket);
    });
  };
  const server: Server =
    certificate === undefined
      ? createServer(onSocket)
      : createTlsServer({ ...certificate, ALPNProtocols: [...protocols] }, onSocket);
  server.listen(port, address);
  await once(server, 'listening');
  lab.onClose(() => server.close());
  const bound: AddressInfo | string | null = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('Expected a server that listens');
  return { host: address, port: bound.port };
}

/** Says aloud why a spec with a real server of STUN and TURN can't run here; where everything is required, that is a failure. */
export function needsCoturn(): void {
  if (hasCoturn()) return;
  const why = 'this needs turnserver (Debian package coturn)';
  if (process.env['RXP2P_REQUIRE_ALL'] === '1') throw new Error(why);
  pending(why);
}

export function hasCoturn(): boolean {
  return hasProgram('turnserver');
}

/** What coturn says of each endpoint at which it listens by TCP, TLS or both. */
const LISTENING = /T(?:CP|LS) listener opened on\s*:?\s*(?<endpoint>\S+)/;

/**
 * A real server of STUN and TURN, coturn, at addresses of this machine until the spec is over.
 *
 * @param options more of the command line.
 */
export async function coturn(
  lab: Lab,
  addresses: readonly string[],
  ...options: readonly string[]
): Promise<{ readonly port: number; readonly tlsPort: number }> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const hasTls = options.includes('--cert');
  const pidFile = join(tmpdir(), `rxp2p-turnserver-${port}.pid`);
  lab.onClose(() => {
    rmSync(pidFile, { force: true });
  });
  const child = spawn(
    'turnserver',
    [
      ...['-n', '--verbose', '--no-cli', '--no-udp', '--no-dtls', '--log-file', 'stdout', '--pidfile', pidFile],
      ...['--listening-port', `${port}`, '--tls-listening-port', `${tlsPort}`, ...(hasTls ? [] : ['--no-tls'])],
      ...addresses.flatMap((address) => ['--listening-ip', address, '--relay-ip', address]),
      ...options,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  lab.onClose(() => child.kill('SIGKILL'));
  const wanted = new Set(
    addresses.flatMap((address) => (hasTls ? [port, tlsPort] : [port]).map((each) => `${address}:${each}`)),
  );
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line);
      wanted.delete(LISTENING.exec(line)?.groups?.['endpoint'] ?? '');
      if (wanted.size === 0) resolve();
    });
    child.once('error', reject).once('exit', () => {
      reject(new Error(`turnserver has ended: ${said.slice(-5).join('; ')}`));
    });
  });
  return { port, tlsPort };
}
