import type { NetConfig } from '../config.js';
import { canonicalAddress, formatServer, isPublicUnicast, scopeOf, serverOf, type ServerAddress } from '../endpoint.js';
import type { Unl } from '../unl/types.js';

/** The servers where a node and its peer meet. */
type MeetingPlaces = Pick<NetConfig, 'rendezvous' | 'mailbox' | 'dht'>;

/** How many servers of each kind are used from a stranger's locator. */
const MAX_NAMED = 2;

/**
 * The servers named by options, else those in the peer's locator. From a locator only public servers are used, since it may come
 * from a stranger; when the peer itself has no public address, private ones are used, too.
 */
export function meetingPlaces({ rendezvous, mailbox, dht }: MeetingPlaces, peer: Unl): MeetingPlaces {
  const isNamed = rendezvous !== undefined || mailbox !== undefined || dht !== undefined;
  if (isNamed || peer.version === 2) return { rendezvous, mailbox, dht };
  const isAtHome = peer.endpoints.every(({ address }) => scopeOf(address) !== 'global');
  const mayAsk = (host: string) => {
    const address = canonicalAddress(host);
    return isAtHome || address === undefined || isPublicUnicast(address);
  };
  const mayAskServer = ({ host }: ServerAddress) => mayAsk(host) && host !== 'localhost';
  // Drops the path of the URL: a stranger must not choose which path is requested.
  const mailboxes = peer.mailboxes.map((url) => new URL('/', url)).filter((url) => mayAsk(serverOf(url).host));
  return {
    rendezvous: peer.rendezvous.filter(mayAskServer).slice(0, MAX_NAMED).map(formatServer),
    mailbox: mailboxes.slice(0, MAX_NAMED).map(({ href }) => href),
    dht: peer.dht.filter(mayAskServer).slice(0, MAX_NAMED).map(formatServer),
  };
}
