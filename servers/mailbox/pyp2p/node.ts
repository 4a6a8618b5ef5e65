import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { canonicalAddress } from '../../../lib/endpoint.js';
import { parseJsonObject } from '../../../lib/validate.js';

/** A node of PyP2P's that has registered. */
export interface Node {
  readonly id: string;
  readonly ip: string;
  readonly port: number;
  readonly network: string;
  /** Whom it is counted for. */
  readonly host: string;
  readonly salt: string;
  readonly hash: string;
  /** When it has registered: those of one address give way in this order, the newest first. */
  readonly since: number;
  alive: number;
}

/** A password as it is kept: a salted hash of it. */
export function withSalt(password: string): Pick<Node, 'salt' | 'hash'> {
  const salt = randomBytes(16).toString('base64url');
  return { salt, hash: hashOf(salt, password) };
}

/** Whether a password is a node's own. */
export function isPasswordOf({ salt, hash }: Node, password: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(salt, password)), Buffer.from(hash));
}

/** Always of the same length. */
function hashOf(salt: string, password: string): string {
  return createHash('sha256').update(salt).update(password).digest('base64url');
}

/** The id of a node, in lower case; `undefined` for what is none. */
export function nodeIdOf(text: string | null): string | undefined {
  return text !== null && /^[0-9a-f]{40}$/i.test(text) ? text.toLowerCase() : undefined;
}

/** As a node is stored: when it was last heard of changes all the time, and is not. */
export function formatNode({ id, ip, port, network, host, salt, hash, since }: Node): string {
  return JSON.stringify({ id, ip, port, network, host, salt, hash, since });
}

/** Reads a node that was stored; `undefined` for what is none. */
export function parseNode(nodeId: string, value: string): Node | undefined {
  const { ip, port, network, host, salt, hash, since = 0 } = parseJsonObject(value) ?? {};
  const id = nodeIdOf(nodeId);
  const address = typeof ip === 'string' ? canonicalAddress(ip) : undefined;
  if (id === undefined || address === undefined || typeof port !== 'number') return undefined;
  if (typeof network !== 'string' || typeof host !== 'string' || typeof salt !== 'string') return undefined;
  if (typeof since !== 'number') return undefined;
  if (typeof hash !== 'string' || hash.length !== hashOf('', '').length) return undefined;
  return { id, ip: address, port, network, host, salt, hash, since, alive: 0 };
}
