import type { Redis } from 'ioredis';
import type { ServerAddress } from '../../../lib/endpoint.js';
import { loadIoredis } from '../../../lib/packages.js';
import { checkedConnector } from './checked-connector.js';
import type { RedisAddress } from './url.js';

/** A node that went away is dialled again after this time, in milliseconds, and up to twice that: servers shall not come all at once. */
const AGAIN_MS = 100;

/**
 * An answer on a connection by which messages come may take so many times as long: it waits behind those messages, and to begin anew is
 * dear where there are many channels.
 */
const PATIENCE = 5;

/** Dials nodes of a Redis: to ask once, for requests, or for messages on channels. */
export type Dial = (node: ServerAddress, purpose: 'once' | 'requests' | 'channels') => Redis;

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
  const { Redis: Client, AbstractConnector } = await loadIoredis();
  const { username, password, database, isEncrypted } = address;
  return (node, purpose) => {
    const client = new Client({
      ...node,
      Connector: checkedConnector(AbstractConnector, node, isEncrypted),
      db: database,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // While it reads what it had on its disk.
      maxLoadingRetryTime: AGAIN_MS,
      commandTimeout: purpose === 'channels' ? PATIENCE * answerMs : answerMs,
      disableClientInfo: true,
      retryStrategy: () => (purpose === 'once' ? null : AGAIN_MS * (1 + random())),
    });
    // Each failure shows by its status, and by what was asked.
    client.on('error', () => undefined);
    return client;
  };
}
