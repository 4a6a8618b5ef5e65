import { formatServer, parseServer, type ServerAddress } from '../endpoint.js';

/** A STUN server as it is named to a node, which says how it is spoken to: by TCP, or by TLS over TCP. */
export interface StunAddress extends ServerAddress {
  /** Whether it is spoken to by TLS, with a certificate of an authority for its name. */
  readonly isSecure?: boolean | undefined;
}

/** The ports of RFC 8489 §16, where a name has none: STUN's, and that of STUN by TLS. */
const PORT = 3_478;
const SECURE_PORT = 5_349;

/** Digits alone are the port of a host that is called "stun". */
const BY_SCHEME = /^(?<scheme>stuns?):(?![0-9]+$)(?<server>.*)$/i;

/** A host alone: a name, an IPv4 address, or an IPv6 address in brackets. */
const WITHOUT_PORT = /^(?:[^:[\]]+|\[[^[\]]*\])$/;

/**
 * Reads the name of a STUN server: `HOST:PORT`, or a URI of RFC 7064, `stun:HOST` or `stuns:HOST`, with a port or without.
 *
 * @param name what the option is called, for the message.
 * @throws InvalidOptionError when it is none.
 *
 * @example
 * parseStun('stun', 'stuns:stun.example.org'); // { host: 'stun.example.org', port: 5349, isSecure: true }
 */
export function parseStun(name: string, text: string): StunAddress {
  const { scheme, server } = BY_SCHEME.exec(text)?.groups ?? {};
  if (scheme === undefined || server === undefined) return parseServer(name, text);
  const isSecure = scheme.toLowerCase() === 'stuns';
  const port = isSecure ? SECURE_PORT : PORT;
  const address = parseServer(name, WITHOUT_PORT.test(server) ? `${server}:${port}` : server);
  return isSecure ? { ...address, isSecure } : address;
}

/** Writes the name of a STUN server, as {@link parseStun} reads it. */
export function formatStun({ isSecure, ...server }: StunAddress): string {
  return `${isSecure === true ? 'stuns:' : ''}${formatServer(server)}`;
}
