import { scopeOf, sameEndpoint, parseEndpoint, type Endpoint } from '../../lib/endpoint.js';
import type { Dialled } from '../../lib/rendezvous/messages.js';
import { hostNames } from '../host-names.js';

/** The two ends of a connection, as the server sees them. */
interface Ends {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/**
 * The names of a rendezvous server, each with the port that it was given and with the one that the server listens on: those of the HTTP
 * services on its host are its own, too.
 *
 * @throws InvalidOptionError when one is no HOST:PORT.
 */
export function namesOf(hosts: readonly string[]): (port: number) => ReadonlySet<string> {
  const names = hostNames(hosts);
  const hostnames = [...names].map((name) => new URL(`http://${name}`).hostname);
  return (port) => new Set([...names, ...hostnames.map((hostname) => `${hostname}:${port}`)]);
}

/**
 * Whether a client meant this server when it dialled: by one of the server's names, or by the address and port of the very socket that
 * it has here. Another server, which passes on what it was given, was dialled by another name and at another address.
 *
 * A private or loopback address is many machines', so it counts for clients of the same kind of network only.
 */
export function isMeant({ server, at }: Dialled, { local, remote }: Ends, names: ReadonlySet<string>): boolean {
  if (names.has(server)) return true;
  const scope = scopeOf(local.address);
  if (scope !== 'global' && scope !== scopeOf(remote.address)) return false;
  const named = parseEndpoint(server);
  return sameEndpoint(at, local) || (named !== undefined && sameEndpoint(named, local));
}
