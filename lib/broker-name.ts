import { canonicalAddress, familyOf, formatServer, isPort, type ServerAddress } from './endpoint.js';
import { invalidOption, show } from './validate.js';

/** How brokers are spoken to, each with the port that it has where none is named (IANA; RFC 6455 §3). */
const SCHEMES = { mqtts: 8883, wss: 443, mqtt: 1883, ws: 80 } as const;

/** How a broker is spoken to: MQTT over TLS or TCP, or over a WebSocket with or without TLS. */
export type BrokerScheme = keyof typeof SCHEMES;

/** A name and a password, as a broker asks for them. */
export interface BrokerCredentials {
  readonly username: string;
  readonly password: string | undefined;
}

/** An MQTT broker as it is named to a node, which says how it is spoken to, too. */
export interface BrokerAddress extends ServerAddress {
  readonly scheme: BrokerScheme;
  /** Its URL in its one spelling, without credentials: `mqtts://broker.example`, `wss://broker.example/mqtt`. */
  readonly url: string;
  /** A secret: never in a URL, a locator, an error or a report. */
  readonly credentials: BrokerCredentials | undefined;
}

/** The longest URL of a broker, in characters: it fits in a locator. */
const MAX_LENGTH = 255;

/** A name or a password may be this long, in characters, as it is written in a URL. */
const MAX_CREDENTIAL_LENGTH = 1_024;

const URL_OF_BROKER =
  /^(?<scheme>mqtts?|wss?):\/\/(?:(?<username>[^/@:?#]*)(?::(?<password>[^/@:?#]*))?@)?(?<host>\[[0-9a-f:.]+\]|[\w.-]+)(?::(?<port>\d{1,5}))?(?<path>\/[^?#]*)?$/i;

/** Segments of a path, none of which is dots alone. */
const PATH = /^(?:\/[\w~-][\w.~-]*)*\/?$/;

/**
 * Reads the URL of a broker.
 *
 * @param name what the option is called, for the message, which has no credentials.
 * @throws InvalidOptionError when it is none.
 *
 * @example
 * parseBroker('mqtt', 'mqtts://me:secret@Broker.example:8883').url; // 'mqtts://broker.example'
 */
export function parseBroker(name: string, text: string): BrokerAddress {
  const broker = readBroker(text);
  if (broker !== undefined) return broker;
  const expected = 'mqtts://HOST, wss://HOST/PATH, mqtt://HOST or ws://HOST/PATH, a password percent-encoded';
  throw invalidOption(name, expected, withoutCredentials(text));
}

/**
 * Reads the URL of a broker as a locator has it, in its one spelling and without credentials: `undefined` for any other text.
 *
 * @example
 * brokerAt('mqtts://broker.example')?.port; // 8883
 */
export function brokerAt(url: string): BrokerAddress | undefined {
  const broker = readBroker(url);
  return broker?.url === url ? broker : undefined;
}

function readBroker(text: string): BrokerAddress | undefined {
  if (text.length > MAX_LENGTH + 2 * MAX_CREDENTIAL_LENGTH) return undefined;
  const groups = URL_OF_BROKER.exec(text)?.groups;
  const scheme = schemeOf(groups?.['scheme']);
  const host = hostOf(groups?.['host']);
  if (groups === undefined || scheme === undefined || host === undefined) return undefined;
  const port = groups['port'] === undefined ? SCHEMES[scheme] : Number(groups['port']);
  const path = pathOf(scheme, groups['path'] ?? '/');
  const credentials = credentialsOf(groups['username'], groups['password']);
  if (!isPort(port) || path === undefined || credentials === 'unreadable') return undefined;
  const server = formatServer({ host, port });
  const url = `${scheme}://${port === SCHEMES[scheme] ? server.replace(/:\d+$/, '') : server}${path}`;
  return url.length > MAX_LENGTH ? undefined : { scheme, host, port, url, credentials };
}

function schemeOf(text = ''): BrokerScheme | undefined {
  const lower = text.toLowerCase();
  return lower === 'mqtts' || lower === 'wss' || lower === 'mqtt' || lower === 'ws' ? lower : undefined;
}

/** The part of a text in which no name and no password of a URL can be. */
function withoutCredentials(text: string): string {
  const at = text.lastIndexOf('@');
  return at < 0 ? text : `…${text.slice(at)}`;
}

/** A name in small letters, or an address in its one spelling. */
function hostOf(text = ''): string | undefined {
  if (!text.startsWith('[')) return text === '' ? undefined : text.toLowerCase();
  const address = canonicalAddress(text.slice(1, -1));
  return address !== undefined && familyOf(address) === 6 ? address : undefined;
}

/** Only a WebSocket has a path. */
function pathOf(scheme: BrokerScheme, path: string): string | undefined {
  if (scheme === 'mqtt' || scheme === 'mqtts') return path === '/' ? '' : undefined;
  return PATH.test(path) ? path : undefined;
}

function credentialsOf(username?: string, password?: string): BrokerCredentials | undefined | 'unreadable' {
  if (username === undefined) return undefined;
  try {
    const read = { username: decodeURIComponent(username), password: password && decodeURIComponent(password) };
    return isCredential(read.username) && isCredential(read.password ?? '') ? read : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

function isCredential(text: string): boolean {
  return text.length <= MAX_CREDENTIAL_LENGTH && text.isWellFormed() && !text.includes('\0');
}

/** A broker as the options of a net may name it: by its URL, or with a name and a password beside it. */
export interface MqttBroker {
  /** `mqtts://HOST`, `wss://HOST/PATH`, `mqtt://HOST` or `ws://HOST/PATH`. */
  readonly url: string;
  /** The name under which the broker knows this node. Default: that in the URL, or none. */
  readonly username?: string | undefined;
  /** Default: that in the URL, or none. */
  readonly password?: string | undefined;
}

/**
 * Reads a broker as an option names it.
 *
 * @param name what the option is called, for the message, which has no credentials.
 * @throws InvalidOptionError when it is none.
 */
export function expectBroker(name: string, value: unknown): BrokerAddress {
  if (typeof value === 'string') return parseBroker(name, value);
  if (typeof value !== 'object' || value === null) throw invalidOption(name, 'a list of URLs of brokers', value);
  const { url, username, password }: { url?: unknown; username?: unknown; password?: unknown } = value;
  const unknown = Object.keys(value).find((key) => !['url', 'username', 'password'].includes(key));
  if (unknown !== undefined) throw invalidOption(name, 'made of url, username, password', unknown);
  const broker = parseBroker(`${name}.url`, typeof url === 'string' ? url : show(url));
  const given = {
    username: username ?? broker.credentials?.username,
    password: password ?? broker.credentials?.password,
  };
  if (given.username === undefined && given.password === undefined) return broker;
  // The values are secrets, and not shown.
  if (typeof given.username !== 'string' || !isCredential(given.username)) {
    throw invalidOption(`${name}.username`, `a text of at most ${MAX_CREDENTIAL_LENGTH} characters`, typeof username);
  }
  const { password: secret } = given;
  if (secret !== undefined && (typeof secret !== 'string' || !isCredential(secret))) {
    throw invalidOption(`${name}.password`, `a text of at most ${MAX_CREDENTIAL_LENGTH} characters`, typeof secret);
  }
  return { ...broker, credentials: { username: given.username, password: secret } };
}
