/** From what was seen outside to the words of RFC 4787 and 5382: pure. */
import ipaddr from 'ipaddr.js';
import type { AddressRange, Behaviour, Filtering, Mapping } from './networks.js';
import type { Dialled, Endpoint } from './probe-client.js';

/** How one local endpoint looked to two ports of one server and to another server. */
export interface MappingSamples {
  readonly local: Endpoint;
  readonly first: Endpoint;
  readonly otherPort: Endpoint;
  readonly otherAddress: Endpoint;
}

const same = (one: Endpoint, other: Endpoint): boolean => one.address === other.address && one.port === other.port;

export const classifyMapping = ({ local, first, otherPort, otherAddress }: MappingSamples): Mapping => {
  if (same(first, local) && same(otherPort, local) && same(otherAddress, local)) return 'none';
  if (!same(first, otherPort)) return 'address and port-dependent';
  return same(first, otherAddress) ? 'endpoint-independent' : 'address-dependent';
};

/** `local` are consecutive local ports, `seen` the ports that one server saw of them, in the same order. */
export const classifyPorts = (local: readonly number[], seen: readonly number[]): Behaviour['ports'] | 'irregular' => {
  if (local.every((port, i) => port === seen[i])) return 'preserved';
  const steps = seen.slice(1).map((port, i) => port - (seen[i] ?? 0));
  const [step = 0] = steps;
  if (step !== 0 && steps.every((each) => each === step)) return `delta ${step}`;
  return looksRandom(seen) ?? 'irregular';
};

/** So many random ports fall into every eighth of the range, but for 3 in 10 million cases. */
export const RANDOM_SAMPLES = 128;
const PARTS = 8;
const [LOWEST, HIGHEST] = [1024, 65535];

/** So many of the parts are most of the range. */
const MOST_PARTS = 4;

/** A block is at most one part of the range; of more there is nothing to tell. */
const LARGEST_BLOCK = 4_096;

/** Many ports, no two alike, none reserved, in no order: from every part of the range, from most, or from a small block. */
const looksRandom = (ports: readonly number[]): 'random' | 'scattered' | `block of ${number}` | undefined => {
  const partOf = (port: number) => Math.floor(((port - LOWEST) * PARTS) / (HIGHEST + 1 - LOWEST));
  const isAnyPort =
    ports.length >= RANDOM_SAMPLES &&
    new Set(ports).size === ports.length &&
    ports.every((port) => port >= LOWEST && port <= HIGHEST);
  if (!isAnyPort || isRising(ports)) return undefined;
  const parts = new Set(ports.map(partOf)).size;
  if (parts === PARTS) return 'random';
  if (parts >= MOST_PARTS) return 'scattered';
  const block = 2 ** Math.ceil(Math.log2(Math.max(...ports) - Math.min(...ports) + 1));
  return block <= LARGEST_BLOCK ? `block of ${block}` : undefined;
};

/** Whether most ports are greater than those a little before: a count, though not one of equal steps. */
const isRising = (ports: readonly number[]): boolean => {
  const later = ports.slice(RISING_STRIDE);
  return later.filter((port, i) => port > (ports[i] ?? 0)).length > (later.length * 3) / 4;
};

const RISING_STRIDE = 8;

export const classifyAddress = (address: string): AddressRange => {
  const range = ipaddr.parse(address).range();
  if (range === 'carrierGradeNat') return 'shared';
  return range === 'unicast' ? 'public' : 'private';
};

/** Who, of those that the host has not talked to, gets through to its external endpoint. */
export const classifyFiltering = (fromOtherPort: Dialled, fromOtherAddress: Dialled): Filtering => {
  if (fromOtherAddress.outcome === 'open') return 'endpoint-independent';
  return fromOtherPort.outcome === 'open' ? 'address-dependent' : 'address and port-dependent';
};

export const classifyUnsolicited = ({ outcome }: Dialled): Behaviour['unsolicited'] =>
  outcome === 'open' ? 'accepted' : outcome === 'reset' ? 'reset' : 'dropped';
