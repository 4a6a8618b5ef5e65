import {
  addressFromBytes,
  addressToBytes,
  familyOf,
  parseEndpoint,
  sameEndpoint,
  scopeOf,
  type Endpoint,
} from '../../lib/endpoint.js';
import type { Dialled } from '../../lib/rendezvous/messages.js';
import type { Caller } from '../callers/caller.js';
import { hostNames } from '../host-names.js';

/** The two ends of a connection: where the client is, and what it has come to, which a proxy may not tell. */
type Ends = Pick<Caller, 'address' | 'local'>;

/** The ports of a URL that names none: of `http:` and `ws:`, and of `https:` and `wss:`. */
const DEFAULT_PORTS = [80, 443];

/**
 * The names of a rendezvous server, each with its own port and with those that the server listens on, since the host names of
 * the HTTP services are the server's, too. A name without a port has those of URLs.
 *
 * @throws InvalidOptionError when one is no HOST:PORT.
 */
export function namesOf(hosts: readonly string[]): (...ports: readonly number[]) => ReadonlySet<string> {
  const names = [...hostNames(hosts)].map((name) => new URL(`http://${name}`));
  return (...ports) =>
    new Set(
      names.flatMap(({ host, hostname, port }) => [
        host,
        ...(port === '' ? [...DEFAULT_PORTS, ...ports] : ports).map((each) => `${hostname}:${each}`),
      ]),
    );
}

/**
 * Whether a client meant this server when it dialled: by one of the server's names, or by the address and port of the very socket
 * that it has here. A proof that another server replays names that server, at another address.
 *
 * The IPv6 address that a NAT64 with the Well-Known Prefix translates counts as the IPv4 address that it stands for.
 *
 * Many machines have the same private or loopback address, so such an address counts only for clients on the same kind of
 * network.
 */
export function isIntended({ server, at }: Dialled, { local, address }: Ends, names: ReadonlySet<string>): boolean {
  if (names.has(server)) return true;
  if (local === undefined) return false;
  if (!isAt(at, local)) {
    const named = parseEndpoint(server);
    if (named === undefined || !isAt(named, local)) return false;
  }
  const scope = scopeOf(local.address);
  return scope === 'global' || scope === scopeOf(address);
}

/** Whether what was dialled leads to an endpoint. */
function isAt(dialled: Endpoint, local: Endpoint): boolean {
  return sameEndpoint(beyondNat64(dialled), local);
}

/** 64:ff9b::/96, the Well-Known Prefix of NAT64 (RFC 6052 §2.1). The last four bytes of such an address are an IPv4 address. */
const NAT64_PREFIX = [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

/** A client in a network that has no IPv4 of its own dials an IPv4 server by an IPv6 address, which its NAT64 translates. */
function beyondNat64(endpoint: Endpoint): Endpoint {
  if (familyOf(endpoint.address) === 4) return endpoint;
  const bytes = addressToBytes(endpoint.address);
  const isTranslated = NAT64_PREFIX.every((byte, index) => bytes[index] === byte);
  return isTranslated ? { ...endpoint, address: addressFromBytes(bytes.subarray(NAT64_PREFIX.length)) } : endpoint;
}
