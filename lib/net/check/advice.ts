import { isCarrier, isRelay } from '../../server-report.js';
import { adviceForServers, listed } from './troubles.js';
import type { NetCheck } from './interface.js';

/** A NAT is taken for sure where so many of its samples agree. */
const SURE = 0.8;

/** What would make more peers reach a node, in sentences; the most useful first. Pure. */
export function adviceFor(check: Omit<NetCheck, 'advice' | 'verdict'>): readonly string[] {
  const { services, nats, reach, ways, clock, hasRelay, isForwarded } = check;
  const advice: string[] = [];
  const carriers = services.filter(isCarrier);
  const isDialled = ways.every(({ toBeReached }) => toBeReached === 'dial');
  if (clock !== undefined)
    advice.push(`${sentence(clock.words)}: servers and peers refuse what is signed with a wrong time.`);
  advice.push(...adviceForServers(services));
  const dead = carriers.filter(({ failure }) => failure !== undefined);
  if (services.length === 0)
    advice.push(
      'Name a server where peers meet, by --rendezvous: without any, only who has the UNL and can dial this node reaches it.',
    );
  else if (carriers.length > 0 && dead.length === carriers.length)
    advice.push('None of the servers that carry messages can be used: see above why. Until then peers can only dial.');
  else if (dead.length > 0)
    advice.push(
      `Messages do not come by ${listed(dead.map(({ server }) => server))}: peers that have no other server in common with this node do not reach it by message.`,
    );
  if (reach.some(({ isBehindAnotherNat }) => isBehindAnotherNat))
    advice.push(
      'The port that the router opens leads nowhere: most often another NAT, the provider’s, stands before the router. Ask the provider for a public address, or for IPv6.',
    );
  else if (reach.some(({ isOpenedInVain }) => isOpenedInVain))
    advice.push(
      'The router says that it has opened a port, but nobody gets in by it: its firewall is in the way, or another NAT, the provider’s, stands before it. Forward a port to this machine by hand (--port, --forwarded), restart the router, or ask the provider for a public address.',
    );
  else if (!isDialled && !isForwarded && reach.some(({ family, endpoint }) => family === 4 && endpoint === undefined))
    advice.push(
      'Switch on UPnP, NAT-PMP or PCP in the router, or forward a port to this machine by hand (--port, --forwarded): then everybody can dial this node.',
    );
  if (reach.some(({ family, isReachable }) => family === 6 && isReachable === false))
    advice.push(
      'The firewall of the router drops IPv6 connections from outside: a rule for this machine’s port lets them in.',
    );
  if (carriers.length > 0 && nats.length === 0)
    advice.push(
      'No server has shown this machine’s NAT, so that nobody can punch: another rendezvous server or a STUN server (--stun) would.',
    );
  else if (nats.some(({ natType, confidence }) => natType.type === 'unknown' || confidence < SURE))
    advice.push(
      'What kind of NAT this is takes two servers to tell: name another rendezvous server, or a STUN server (--stun).',
    );
  if (!isDialled && nats.some(({ natType }) => natType.type === 'random'))
    advice.push('This NAT gives random ports: peers behind another such NAT meet this node at a relay only.');
  const isLeft = ways.some(({ toReach, toBeReached }) => toReach === 'none' || toBeReached === 'none');
  if (!hasRelay && services.some(isRelay))
    advice.push('None of the relays can be used: see above why. They connect those that no direct way leads to.');
  else if (!hasRelay && isLeft)
    advice.push('Name a relay (--relay, --turn): it connects those that no direct way leads to.');
  return advice;
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
