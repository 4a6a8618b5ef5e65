import { readPort, type ServerAddress } from '../../../lib/endpoint.js';
import { InvalidOptionError } from '../../../lib/errors.js';
import { readUrl } from '../../../lib/validate.js';

/** Where a Redis is, and how to talk to it. */
export interface RedisAddress {
  /** One, or some of the nodes of a cluster. */
  readonly nodes: readonly [ServerAddress, ...ServerAddress[]];
  /** Whether by TLS. */
  readonly isEncrypted: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The number of the database; a cluster has only 0. */
  readonly database: number;
}

const DEFAULT_PORT = 6379;

/** So many databases may a Redis have. */
const MAX_DATABASE = 65_535;

/**
 * Reads the address of a Redis: `redis://host:port`, `rediss://` for TLS, with the other nodes of a cluster behind commas. Pure.
 *
 * @throws InvalidOptionError when it is none. The message does not repeat it, since there may be a password in it.
 *
 * @example
 * parseRedisUrl('rediss://:secret@10.0.0.1:6379,10.0.0.2:6379').nodes; // two of them
 */
export function parseRedisUrl(text: string): RedisAddress {
  const [first = '', ...others] = text.split(',');
  const url = redisUrlOf(first);
  const [, scheme = ''] = /^([a-z]+:)\/\//.exec(first) ?? [];
  const database = url.pathname.length > 1 ? Number(url.pathname.slice(1)) : 0;
  if (!Number.isInteger(database) || database < 0 || database > MAX_DATABASE)
    throw invalid('the database is no number');
  if (others.length > 0 && database !== 0) throw invalid('a cluster has no other database than 0');
  const rest = others.map((node) => nodeOf(redisUrlOf(node.includes('://') ? node : `${scheme}//${node}`)));
  return {
    nodes: [nodeOf(url), ...rest],
    isEncrypted: url.protocol === 'rediss:',
    username: partOf(url.username),
    password: partOf(url.password),
    database,
  };
}

function redisUrlOf(text: string): URL {
  const url = readUrl(text);
  if (url === undefined) throw invalid('it is no URL');
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw invalid('it begins with something else');
  if (url.hostname === '') throw invalid('it names no host');
  if (url.search !== '' || url.hash !== '') throw invalid('nothing may follow the database');
  return url;
}

function nodeOf({ hostname, port }: URL): ServerAddress {
  const number = port === '' ? DEFAULT_PORT : readPort(port);
  if (number === undefined) throw invalid('its port is none');
  return { host: hostname.replace(/^\[|\]$/g, ''), port: number };
}

function partOf(text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('its user or password is not percent-encoded');
  }
}

function invalid(why: string): InvalidOptionError {
  return new InvalidOptionError(
    `Expected \`store\` to be like redis://host:port, rediss://user:password@host:port/database, or some nodes of a cluster ` +
      `with commas between them, but ${why}`,
  );
}
