import type { NetConfig } from '../config.js';
import { canonicalAddress, formatServer, isPublicUnicast, scopeOf, serverOf, type ServerAddress } from '../endpoint.js';
import type { Unl } from '../unl/types.js';

/** The servers where a node and its peer meet. */
type MeetingPlaces = Pick<NetConfig, 'rendezvous' | 'mailbox' | 'dht'>;

/** So many of the servers of a kind that a stranger's locator names are asked. */
const MAX_NAMED = 2;

/**
 * The servers that are named, else those where the peer says that it is: public ones, since the locator may be a stranger's; at
 * home, where the peer itself has no public address, any.
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
  // Only what a mailbox server is asked for at its top: no path of a stranger's choice.
  const mailboxes = peer.mailboxes.map((url) => new URL('/', url)).filter((url) => mayAsk(serverOf(url).host));
  return {
    rendezvous: peer.rendezvous.filter(mayAskServer).slice(0, MAX_NAMED).map(formatServer),
    mailbox: mailboxes.slice(0, MAX_NAMED).map(({ href }) => href),
    dht: peer.dht.filter(mayAskServer).slice(0, MAX_NAMED).map(formatServer),
  };
}
