import { once } from 'node:events';
import { request, type IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { firstValueFrom } from 'rxjs';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { join$ } from '../../lib/techniques/relay/join.js';
import {
  authorize,
  encodeJoin,
  RELAY_HEADER,
  RELAY_PROTOCOL,
  type JoinRequest,
} from '../../lib/techniques/relay/protocol.js';
import { systemRuntime } from '../../lib/runtime.js';
import { parseJsonObject } from '../../lib/validate.js';

/** Where, and from where. */
export interface Where {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string | undefined;
}

/** What came of a request for an upgrade. */
export interface UpgradeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What was said in the place of an upgrade. */
  readonly text: string;
  /** The socket of one that was agreed to. */
  readonly socket: Socket | undefined;
}

/** A request for an upgrade, with any headers and manners. */
export async function askUpgrade(
  { host, port, localAddress }: Where,
  headers: Readonly<Record<string, string>>,
  { path = '/relay', method = 'GET' }: { readonly path?: string; readonly method?: string } = {},
): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const asking = request({
      host,
      port,
      path,
      method,
      agent: false,
      headers: { connection: 'Upgrade', ...headers },
      ...(localAddress !== undefined && { localAddress }),
    });
    asking.on('error', reject);
    asking.on('response', (response) => {
      const { statusCode: status = 0, headers: answered } = response;
      text(response).then((words) => {
        resolve({ status, headers: answered, text: words, socket: undefined });
      }, reject);
    });
    asking.on('upgrade', ({ statusCode: status = 0, headers: answered }, socket, head) => {
      socket.on('error', () => undefined);
      if (head.length > 0) socket.unshift(head);
      resolve({ status, headers: answered, text: '', socket });
    });
    asking.end();
  });
}

/** What a relay refused with, or the HTTP status. */
export function relayRefusalOf({ status, text: words }: UpgradeAnswer): unknown {
  return parseJsonObject(words)?.['refused'] ?? status;
}

/** The headers of a request to join, right but for what it is told. */
export function joinHeaders(
  identity: Identity,
  host: string,
  fields: Partial<JoinRequest>,
  { signer = identity, header }: { readonly signer?: Identity; readonly header?: string } = {},
): Readonly<Record<string, string>> {
  const { peerId: from } = identity;
  const { newId, timeOfDay } = systemRuntime;
  const join = header ?? encodeJoin({ from, to: createIdentity().peerId, token: newId(), at: timeOfDay(), ...fields });
  return { upgrade: RELAY_PROTOCOL, [RELAY_HEADER]: join, authorization: authorize(signer, host, join) };
}

/** A node at a relay, and what it has heard there. */
export class RelayNode {
  readonly identity = createIdentity();

  constructor(
    readonly where: Where,
    readonly path = '/',
  ) {}

  get peerId(): string {
    return this.identity.peerId;
  }

  /** Joins as nodes do. */
  join(to: string, token: string): Promise<Socket> {
    const { host, port, localAddress } = this.where;
    const relay = new URL(`http://${host}:${port}${this.path}`);
    return firstValueFrom(join$(relay, { identity: this.identity, to, token, localAddress, runtime: systemRuntime }));
  }

  /** Asks to join in its own way. */
  ask(
    fields: Partial<JoinRequest>,
    how: { readonly signer?: Identity; readonly header?: string; readonly signedFor?: string } = {},
  ): Promise<UpgradeAnswer> {
    const host = how.signedFor ?? `${this.where.host}:${this.where.port}`;
    return askUpgrade(this.where, joinHeaders(this.identity, host, fields, how));
  }
}

/** Two nodes that a relay has joined, and their sockets. */
export async function joined(one: RelayNode, other: RelayNode): Promise<readonly [Socket, Socket]> {
  const token = systemRuntime.newId();
  return Promise.all([one.join(other.peerId, token), other.join(one.peerId, token)]);
}

/** All that comes out of a socket until its end. */
export async function allOf(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** The next bytes of a socket, so many. */
export async function bytesOf(socket: Socket, count: number): Promise<string> {
  const parts: Buffer[] = [];
  for (let left = count; left > 0;) {
    // `read(left)` would leave a part of them there, and the socket would say at once, again and again, that it has something.
    const bytes: unknown = socket.read();
    if (!Buffer.isBuffer(bytes)) {
      await once(socket, 'readable');
      continue;
    }
    parts.push(bytes.subarray(0, left));
    if (bytes.length > left) socket.unshift(bytes.subarray(left));
    left -= Math.min(left, bytes.length);
  }
  return Buffer.concat(parts).toString('latin1');
}

/** Waits until a socket is closed, whatever comes out of it. */
export async function closing(socket: Socket): Promise<void> {
  if (socket.closed) return;
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
  socket.on('error', () => undefined).on('end', () => socket.destroy());
  socket.resume();
  await closed;
}
