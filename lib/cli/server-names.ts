import { formatEndpoint, scopeOf, type Endpoint } from '../endpoint.js';
import { mostReachable, ownAddresses, type Interfaces } from '../link/interfaces.js';
import type { PeerId } from '../identity.js';
import { formatRendezvous } from '../rendezvous-name.js';

/** What a server is called by. */
interface NamesConfig {
  /** Where the rendezvous server listens. */
  readonly local: Endpoint;
  /** Its own key. */
  readonly key: PeerId | undefined;
  /** The names by which clients know the servers, as they were given. */
  readonly hosts: readonly string[];
  /** This machine's. */
  readonly interfaces?: Interfaces | undefined;
}

/** The name by which a node may be told of the server, with its key; `undefined` when it has none. Pure if `interfaces` is passed. */
export function nameByKey({ key, ...config }: NamesConfig): string | undefined {
  return key === undefined ? undefined : formatRendezvous({ ...serverOf(config), key });
}

/** Whether others on the internet may reach the server in the clear. Pure if `interfaces` is passed. */
export function isPublic({ local, interfaces }: Pick<NamesConfig, 'local' | 'interfaces'>): boolean {
  return addressesOf(local, interfaces).some((address) => scopeOf(address) === 'global');
}

function serverOf({ local, hosts, interfaces }: Omit<NamesConfig, 'key'>) {
  const { port } = local;
  const [name] = hosts;
  if (name !== undefined) return { host: new URL(`http://${name}`).hostname.replace(/^\[|\]$/g, ''), port };
  return { host: mostReachable(addressesOf(local, interfaces)) ?? local.address, port };
}

/** The addresses at which a server can be reached: its own, or where it listens on all of them this machine's. */
function addressesOf({ address }: Endpoint, interfaces?: Interfaces): readonly string[] {
  return scopeOf(address) === 'unusable' ? (ownAddresses(interfaces) ?? []) : [address];
}

/** What is said once of a server that others can reach in the clear. */
export function plainWarning({
  local,
  name,
  isHttps,
}: Pick<NamesConfig, 'local'> & {
  /** Its name with its key, if it has one. */
  readonly name: string | undefined;
  /** Whether it has a certificate. */
  readonly isHttps: boolean;
}): string {
  const byCertificate = isHttps ? 'name it wss://HOST, as in its certificate' : undefined;
  const how =
    name === undefined
      ? (byCertificate ?? 'give it a key (--key FILE) or a certificate (--tls-cert FILE)')
      : `name it ${name}`;
  return `${formatEndpoint(local)} also speaks in the clear, as PyP2P's nodes need it: for encryption ${how}`;
}

/** What is said once of an admin port that others on the internet can reach. */
export function exposedWarning({ local }: Pick<NamesConfig, 'local'>): string {
  return `the admin port ${formatEndpoint(local)} can be reached from the internet, and asks for no password`;
}
