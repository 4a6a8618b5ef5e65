import { brokerAt, type BrokerAddress } from '../broker-name.js';
import type { NetConfig } from '../config.js';
import { formatRendezvous, servicesOf, type RendezvousAddress } from '../rendezvous-name.js';
import { canonicalAddress, formatServer, isPublicUnicast, scopeOf, serverOf, type ServerAddress } from '../endpoint.js';
import type { Unl } from '../unl/types.js';

/** The servers where a node and its peer meet. */
type MeetingPlaces = Pick<NetConfig, 'rendezvous' | 'mailbox' | 'dht' | 'mqtt'>;

/** How many servers of each kind are used from a stranger's locator. */
const MAX_NAMED = 2;

/** The paths of brokers in use: a stranger must not choose another. Only a WebSocket has one. */
const BROKER_PATHS = ['', '/', '/mqtt'];

/**
 * The servers named by options, else those in the peer's locator. From a locator only public servers are used, since it may come
 * from a stranger; when the peer itself has no public address, private ones are used, too.
 */
export function meetingPlaces({ rendezvous, mailbox, dht, mqtt }: MeetingPlaces, peer: Unl): MeetingPlaces {
  const isNamed = [rendezvous, mailbox, dht, mqtt].some((servers) => servers !== undefined && servers.length > 0);
  if (isNamed || peer.version === 2) return { rendezvous, mailbox, dht, mqtt };
  const isAtHome = peer.endpoints.every(({ address }) => scopeOf(address) !== 'global');
  const mayAsk = (host: string) => {
    const address = canonicalAddress(host.toLowerCase() === 'localhost' ? '127.0.0.1' : host);
    return isAtHome || address === undefined || isPublicUnicast(address);
  };
  const mayAskServer = ({ host }: ServerAddress) => mayAsk(host);
  const mayAskBroker = (broker: BrokerAddress | undefined) =>
    broker !== undefined && mayAskServer(broker) && BROKER_PATHS.includes(new URL(broker.url).pathname);
  const servers = peer.rendezvous.filter(mayAskServer).slice(0, MAX_NAMED).map(withProvenPath);
  const mailboxes = peer.mailboxes.map(provenPath).filter((url) => mayAsk(serverOf(url).host));
  return {
    rendezvous: servers.map(formatRendezvous),
    // Servers that are named by WebSocket have one, too.
    mailbox: [...mailboxes.slice(0, MAX_NAMED), ...servers.flatMap((server) => servicesOf(server) ?? [])].map(
      ({ href }) => href,
    ),
    dht: peer.dht.filter(mayAskServer).slice(0, MAX_NAMED).map(formatServer),
    mqtt: peer.mqtt.filter((url) => mayAskBroker(brokerAt(url))).slice(0, MAX_NAMED),
  };
}

/** Like {@link provenPath}, of a server that is named by WebSocket. */
function withProvenPath(server: RendezvousAddress): RendezvousAddress {
  return server.url === undefined ? server : { ...server, url: provenPath(server.url).href };
}

/**
 * A URL, without its path unless a certificate proves that the server is the one that is named: a stranger must not choose which path is
 * requested of a machine in the user's own network, to which any name may lead.
 */
function provenPath(text: string): URL {
  const url = new URL(text);
  return url.protocol === 'wss:' || url.protocol === 'https:' ? url : new URL('/', url);
}
