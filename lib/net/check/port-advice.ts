import type { PortMappingProtocol } from '../../config.js';
import type { NetCheck } from './interface.js';
import { listed } from './troubles.js';

/** The protocols by which a router opens ports, as people know them. */
export const PROTOCOL_NAMES: Readonly<Record<PortMappingProtocol, string>> = {
  upnp: 'UPnP',
  'nat-pmp': 'NAT-PMP',
  pcp: 'PCP',
};

/** What lets others dial a node that they cannot dial yet, in sentences. Pure. */
export function adviceForPorts(
  check: Pick<NetCheck, 'reach' | 'routers' | 'ipv6' | 'isForwarded' | 'mapsPorts'>,
  isDialled: boolean,
): readonly string[] {
  const { reach, ipv6, isForwarded } = check;
  const advice: string[] = [];
  if (reach.some(({ isBehindAnotherNat }) => isBehindAnotherNat))
    advice.push(
      'The port that the router opens leads nowhere: most often another NAT, the provider’s, stands before the router. Ask the provider for a public address, or for IPv6.',
    );
  else if (reach.some(({ isOpenedInVain }) => isOpenedInVain))
    advice.push(
      'The router says that it has opened a port, but nobody gets in by it: its firewall is in the way, or another NAT, the provider’s, stands before it. Forward a port to this machine by hand (--port, --forwarded), restart the router, or ask the provider for a public address.',
    );
  else if (!isDialled && !isForwarded && reach.some(({ family, endpoint }) => family === 4 && endpoint === undefined))
    advice.push(`${openAPort(check)}: then everybody can dial this node.`);
  if (ipv6.state === 'closed')
    advice.push(
      'A firewall, the router’s or this machine’s, drops IPv6 connections from outside: a rule for this machine’s port lets them in.',
    );
  return advice;
}

/** What to do at the router depends on whether it speaks to this machine of ports at all. */
function openAPort({ routers, mapsPorts }: Pick<NetCheck, 'routers' | 'mapsPorts'>): string {
  const byHand = 'forward a port to this machine by hand (--port, --forwarded)';
  if (!mapsPorts) return `Let this node ask the router for a port (without --no-port-mapping), or ${byHand}`;
  const speaking = routers.filter(({ family }) => family === 4).flatMap(({ protocols }) => protocols);
  const names = speaking
    .filter(({ state }) => state !== 'silent' && state !== 'closed')
    .map(({ protocol }) => PROTOCOL_NAMES[protocol]);
  if (names.length === 0) return `Switch on UPnP, NAT-PMP or PCP in the router, or ${byHand}`;
  return `The router answers by ${listed(names)}, but opens no port: allow this machine to have one there, or ${byHand}`;
}
