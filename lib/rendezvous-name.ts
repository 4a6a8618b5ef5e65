import { formatServer, parseServer, serverOf, type ServerAddress } from './endpoint.js';
import { isPeerId, type PeerId } from './identity.js';
import { invalidOption, readUrl } from './validate.js';

/**
 * A rendezvous server as it is named to a node, which says how it is spoken to, too: by plain lines (`HOST:PORT`), by TLS with a server that
 * proves a key (`rxp2p://KEY@HOST:PORT`), or by WebSocket (`wss://HOST`, `ws://HOST`). Never in another way than it is named.
 */
export interface RendezvousAddress extends ServerAddress {
  /** The key that the server has to prove. */
  readonly key?: PeerId | undefined;
  /** The URL below which it is by WebSocket, which ends in a slash: `wss://rv.example.org/`. */
  readonly url?: string | undefined;
}

const BY_KEY = /^rxp2p:\/\/(?<key>[^@]*)@(?<server>.*)$/i;

/**
 * Reads the name of a rendezvous server.
 *
 * @param name what the option is called, for the message.
 * @throws InvalidOptionError when it is none.
 *
 * @example
 * parseRendezvous('rendezvous', 'wss://rv.example.org'); // { host: 'rv.example.org', port: 443, url: 'wss://rv.example.org/' }
 */
export function parseRendezvous(name: string, text: string): RendezvousAddress {
  const byKey = BY_KEY.exec(text)?.groups;
  if (byKey !== undefined) {
    const { key = '', server = '' } = byKey;
    if (!isPeerId(key)) throw invalidOption(name, 'rxp2p://KEY@HOST:PORT, with a key of 43 characters', text);
    return { ...parseServer(name, server), key };
  }
  return /^wss?:/i.test(text) ? parseWebSocket(name, text) : parseServer(name, text);
}

function parseWebSocket(name: string, text: string): RendezvousAddress {
  const url = readUrl(text);
  if (url === undefined || url.hostname === '' || `${url.username}${url.password}${url.search}${url.hash}` !== '') {
    throw invalidOption(name, 'wss://HOST, wss://HOST:PORT or wss://HOST/PATH, without a password or a query', text);
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return { ...serverOf(url), url: url.href };
}

/** Writes the name of a rendezvous server, as {@link parseRendezvous} reads it. */
export function formatRendezvous({ key, url, ...server }: RendezvousAddress): string {
  if (url !== undefined) return url.replace(/\/$/, '');
  return key === undefined ? formatServer(server) : `rxp2p://${key}@${formatServer(server)}`;
}

/** The URL of the HTTP services of a server that is named by WebSocket; `undefined` for others, whose services have a port of their own. */
export function servicesOf({ url }: RendezvousAddress): URL | undefined {
  return url === undefined ? undefined : new URL(url.replace(/^ws/, 'http'));
}
