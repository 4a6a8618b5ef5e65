/** From what was seen outside to the words of RFC 4787 and 5382: pure. */
import type { Behaviour, Filtering, Mapping } from './networks.js';
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
export const classifyPorts = (local: readonly number[], seen: readonly number[]): Behaviour['ports'] => {
  if (local.every((port, i) => port === seen[i])) return 'preserved';
  const steps = seen.slice(1).map((port, i) => port - (seen[i] ?? 0));
  const [step = 0] = steps;
  return step !== 0 && steps.every((each) => each === step) ? `delta ${step}` : 'random';
};

/** Who, of those that the host has not talked to, gets through to its external endpoint. */
export const classifyFiltering = (fromOtherPort: Dialled, fromOtherAddress: Dialled): Filtering => {
  if (fromOtherAddress.outcome === 'open') return 'endpoint-independent';
  return fromOtherPort.outcome === 'open' ? 'address-dependent' : 'address and port-dependent';
};

export const classifyUnsolicited = ({ outcome }: Dialled): Behaviour['unsolicited'] =>
  outcome === 'open' ? 'accepted' : outcome === 'reset' ? 'reset' : 'dropped';
