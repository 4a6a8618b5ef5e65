import { formatServer, parseServer, type ServerAddress } from '../endpoint.js';
import { InvalidOptionError } from '../errors.js';

/** A TURN server as it is named to a node: by TCP, or by TLS over TCP. */
export interface TurnAddress extends ServerAddress {
  /** Whether it is spoken to by TLS, with a certificate of an authority for its name. */
  readonly isSecure?: boolean | undefined;
}

/** By what a node may use a TURN server: a user's name and password, or such as hold for a time only. */
export interface TurnCredentials {
  /** The USERNAME of RFC 8489 §9.2; of credentials that hold for a time it begins with the time at which they end. */
  readonly username: string;
  /** The password. It is never sent: it signs what is asked. */
  readonly credential: string;
}

/** A TURN server, and what gives the credentials for it. */
export interface TurnServer extends TurnAddress {
  /** Called before each use: what holds for a time only can be fetched anew. */
  readonly credentials: () => TurnCredentials | Promise<TurnCredentials>;
}

/** The ports of RFC 8656 §4, where a name has none. */
const PORT = 3_478;
const SECURE_PORT = 5_349;

const URI = /^(?<scheme>turns?):(?<server>[^?]*)(?:\?transport=tcp)?$/i;
const WITHOUT_PORT = /^(?:[^:[\]]+|\[[^[\]]*\])$/;

/**
 * Reads a URI of RFC 7065, `turn:HOST`, `turns:HOST`, with a port or without. It is spoken to by TCP, whether it says so or not.
 *
 * @throws InvalidOptionError when it is none. The message does not repeat it: people write passwords into it.
 *
 * @example
 * parseTurn('turn', 'turns:turn.example.org?transport=tcp'); // { host: 'turn.example.org', port: 5349, isSecure: true }
 */
export function parseTurn(name: string, text: string): TurnAddress {
  const { scheme, server } = URI.exec(text)?.groups ?? {};
  if (scheme === undefined || server === undefined) throw unreadable(name);
  const isSecure = scheme.toLowerCase() === 'turns';
  const port = isSecure ? SECURE_PORT : PORT;
  try {
    const address = parseServer(name, WITHOUT_PORT.test(server) ? `${server}:${port}` : server);
    return isSecure ? { ...address, isSecure } : address;
  } catch {
    throw unreadable(name);
  }
}

function unreadable(name: string): InvalidOptionError {
  return new InvalidOptionError(
    `Expected \`${name}\` to name servers as turn:HOST:PORT or turns:HOST:PORT, by TCP and without a password, got another`,
  );
}

/** Writes the name of a TURN server, as {@link parseTurn} reads it. */
export function formatTurn({ isSecure, ...server }: TurnAddress): string {
  return `${isSecure === true ? 'turns' : 'turn'}:${formatServer({ host: server.host, port: server.port })}`;
}
