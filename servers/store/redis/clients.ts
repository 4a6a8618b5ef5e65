import type { Redis } from 'ioredis';
import type { ServerAddress } from '../../../lib/endpoint.js';
import { loadIoredis } from '../../../lib/packages.js';
import type { RedisAddress } from './url.js';

/** How long a node may take to accept a connection, in milliseconds. */
const CONNECT_MS = 2_000;

/** A node that went away is dialled again after this time, in milliseconds, and up to twice that: servers shall not come all at once. */
const AGAIN_MS = 100;

/** Dials nodes of a Redis. */
export type Dial = (node: ServerAddress, purpose: 'once' | 'for good') => Redis;

/** What {@link dialler} needs. */
interface DiallerConfig {
  readonly address: RedisAddress;
  /** How long an answer may take, in milliseconds. */
  readonly answerMs: number;
  /** A number from 0 up to 1. */
  readonly random: () => number;
}

/**
 * Loads the client, and returns what dials by it. Nothing is kept for a node that is not there: who asks it is told so at once.
 *
 * @throws UnavailableError when the package is not installed.
 */
export async function dialler({ address, answerMs, random }: DiallerConfig): Promise<Dial> {
  const Client = await loadIoredis();
  const { username, password, database, isEncrypted } = address;
  return ({ host, port }, purpose) => {
    const client = new Client({
      host,
      port,
      db: database,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(isEncrypted && { tls: {} }),
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_MS,
      commandTimeout: answerMs,
      disableClientInfo: true,
      retryStrategy: () => (purpose === 'once' ? null : AGAIN_MS * (1 + random())),
    });
    // Each failure shows by its status, and by what was asked.
    client.on('error', () => undefined);
    return client;
  };
}
