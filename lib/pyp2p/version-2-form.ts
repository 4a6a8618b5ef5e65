import type { ResolvedConfig } from '../config.js';
import { familyOf } from '../endpoint.js';
import type { Mapping } from '../port-mapping/mapping.js';
import type { Located, LocatorForm } from '../self/locator-form.js';
import type { NodeType } from '../unl/types.js';
import type { UnlV2 } from './wire/unl-version-2.js';

/** Locators of version 2. PyP2P's nodes open TCP simultaneously by IPv4, and in direct mode only. */
export const VERSION_2_FORM: LocatorForm = {
  canPunchBy: (family, { mode }) => family === 4 && mode === 'direct',
  unlOf,
};

/** PyP2P's locator has one port for all of a node's addresses, and only IPv4 ones. */
function unlOf(
  { nodeType, natType: { type }, port, addresses, observed, reaches }: Located,
  { identity }: ResolvedConfig,
): UnlV2 {
  const reach = reaches.find(({ family, endpoint }) => family === 4 && endpoint !== undefined);
  const firstOf = (candidates: readonly string[]) => candidates.find((address) => familyOf(address) === 4);
  const lan = firstOf(addresses) ?? '0.0.0.0';
  return {
    version: 2,
    nodeId: identity.nodeId,
    nodeType,
    // PyP2P has no word for a node without a NAT; such a node looks like one whose NAT keeps ports.
    natType: type === 'open' ? 'preserving' : type,
    forwarding: forwardingOf(nodeType, reach?.mapping),
    port: reach?.endpoint?.port ?? port,
    wan: reach?.endpoint?.address ?? firstOf(observed) ?? lan,
    lan,
  };
}

/** PyP2P knows no PCP, which is NAT-PMP's successor. */
function forwardingOf(nodeType: NodeType, mapping: Mapping | undefined): UnlV2['forwarding'] {
  if (nodeType !== 'passive') return 'manual';
  if (mapping === undefined) return 'forwarded';
  return mapping.protocol === 'upnp' ? 'UPnP' : 'NATPMP';
}
