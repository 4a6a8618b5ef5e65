import { familyOf, isPublicUnicast, sameEndpoint, scopeOf, type Endpoint } from '../endpoint.js';
import type { UnlEndpoint, UnlV3 } from './types.js';

// Which endpoints a node dials, in one place, for everything that can have it dial:
//
//   named    the user has given the locator to `connect$`: `mayDialNamed`
//   hearsay  a stranger has named the endpoint, in a list or a signal, or asks a server to dial it: `mayDialHearsay`
//   listed   a server passes the endpoint on to others: `mayList`
//   relayed  a TURN server of this node's dials the endpoint for it: `mayHaveDialled`
//
// All of them dial public addresses, and addresses of a local network only where that is this node's own network.

/** A node has a few addresses. More endpoints from a stranger are not dialled. */
export const MAX_HEARSAY = 4;

/** HTTPS: a TLS hello is what such a port expects, and nodes listen there where a firewall lets nothing else out. */
const HTTPS = 443;

/** The first port that a program can take without the rights of an administrator (RFC 6335 §6: 0 to 1023 are System Ports). */
const FIRST_USER_PORT = 1024;

/**
 * Whether a port is that of a well-known service, such as SSH (22), SMTP (25) or HTTP (80). A stranger may share the address of
 * such a service, behind a carrier's NAT or in a data centre, and an operator takes dials of many nodes for an attack. So no node
 * dials such a port because a stranger names it. If its user names it, it dials any port. HTTPS (443) is no such port.
 */
export function isServicePort(port: number): boolean {
  return port < FIRST_USER_PORT && port !== HTTPS;
}

/** What a node knows of its own network when it judges an endpoint. */
export interface Standpoint {
  /** Its own endpoints. */
  readonly own: readonly UnlEndpoint[];
  /** Whether one of this machine's interfaces is on the same network as an address, so that no router is in between. */
  readonly isOnLink: (address: string) => boolean;
}

/** Where a server saw a stranger. */
export interface Sighting {
  /** The address of the stranger. */
  readonly at: string | undefined;
  /** The address of the server that saw it, where this node is connected to that server itself. */
  readonly by?: string | undefined;
}

/** Whether an endpoint of a locator that the user has given may be dialled, by a node that may be on the peer's network or not. */
export function mayDialNamed({ address, port }: Endpoint, own: readonly UnlEndpoint[], isNear: boolean): boolean {
  if (port === 0) return false;
  switch (scopeOf(address)) {
    case 'global':
      return isPublicUnicast(address);
    case 'private':
      // Without a private address, this node is on no private network.
      return isNear && (own.length === 0 || own.some((each) => scopeOf(each.address) === 'private'));
    case 'loopback':
      return isNear;
    default:
      return false;
  }
}

/**
 * Whether an endpoint may be dialled that a stranger has named, who was seen at an address. A public address must be that very one. A
 * private one must be on this machine's own network, and the stranger seen either behind the same public address as this node,
 * or at that very address by a server on this network (or by servers that all are, where this node has no public address).
 * Loopback is for a stranger whom a server on this machine has seen there, and for nodes that have nothing else.
 */
export function mayDialHearsay(
  { address, port }: Endpoint,
  { at, by }: Sighting,
  { own, isOnLink }: Standpoint,
): boolean {
  if (port === 0 || isServicePort(port) || own.some((each) => sameEndpoint(each, { address, port }))) return false;
  switch (scopeOf(address)) {
    case 'global':
      return address === at && isPublicUnicast(address);
    case 'private': {
      const isBehindOneNat = own.some(
        (each) => each.kind !== 'lan' && each.address === at && isPublicUnicast(each.address),
      );
      const isSeenFromHere =
        by === undefined
          ? !own.some((each) => scopeOf(each.address) === 'global')
          : scopeOf(by) === 'loopback' || (scopeOf(by) === 'private' && isOnLink(by));
      return isOnLink(address) && (isBehindOneNat || (address === at && isSeenFromHere));
    }
    case 'loopback': {
      const isSeenFromHere = by === undefined ? isOnLoopbackAlone(own) : scopeOf(by) === 'loopback';
      return address === at && isSeenFromHere;
    }
    default:
      return false;
  }
}

/** Whether a node is on loopback, and on no network. One that knows none of its addresses may be on any. */
export function isOnLoopbackAlone(own: readonly UnlEndpoint[]): boolean {
  return own.length > 0 && own.every(({ address }) => scopeOf(address) === 'loopback');
}

/**
 * Whether a server tells one node of another's endpoint: a public address, or a local address, if the requesting node is on the
 * same kind of network and the server has seen the address itself; a LAN address also if both nodes are seen at the same public
 * address.
 *
 * @param at where the server sees the node that is listed.
 * @param requesterAt where the server sees the node that asks.
 */
export function mayList({ address, port }: Endpoint, at: readonly string[], requesterAt: string): boolean {
  if (port === 0 || isServicePort(port)) return false;
  const isSeen = at.includes(address);
  switch (scopeOf(address)) {
    case 'global':
      return isSeen && isPublicUnicast(address);
    case 'private': {
      const isBehindOneNat = isPublicUnicast(requesterAt) && at.includes(requesterAt);
      return isBehindOneNat || (isSeen && ['private', 'loopback'].includes(scopeOf(requesterAt)));
    }
    case 'loopback':
      return isSeen && scopeOf(requesterAt) === 'loopback';
    default:
      return false;
  }
}

/**
 * Whether a TURN server is asked to dial an endpoint of a locator that the user has given. What is a private address here is another
 * machine where the server stands, so only public ones are dialled; and loopback, where the server itself is there.
 *
 * @param from the address from which the server dials.
 */
export function mayHaveDialled({ address, port }: Endpoint, from: string): boolean {
  if (port === 0 || familyOf(address) !== familyOf(from)) return false;
  return isPublicUnicast(address) || (scopeOf(address) === 'loopback' && scopeOf(from) === 'loopback');
}

/** A stranger's locator, reduced to the few endpoints that may be dialled. */
export function hearsayOf(unl: UnlV3, sightings: readonly Sighting[], standpoint: Standpoint): UnlV3 {
  return withEndpoints(unl, (endpoint) => sightings.some((seen) => mayDialHearsay(endpoint, seen, standpoint)));
}

/** A locator as a server lists it for a node that asks. */
export function listedOf(unl: UnlV3, at: readonly string[], requesterAt: string): UnlV3 {
  return withEndpoints(unl, (endpoint) => mayList(endpoint, at, requesterAt));
}

function withEndpoints(unl: UnlV3, isWanted: (endpoint: UnlEndpoint) => boolean): UnlV3 {
  const endpoints = unl.endpoints.filter(
    (endpoint, index, all) => all.findIndex((other) => sameEndpoint(other, endpoint)) === index && isWanted(endpoint),
  );
  return { ...unl, endpoints: endpoints.slice(0, MAX_HEARSAY) };
}
