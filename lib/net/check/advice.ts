import { isCarrier, isRelay } from '../../server-report.js';
import { adviceForPorts } from './port-advice.js';
import { adviceForServers, listed } from './troubles.js';
import type { NetCheck } from './interface.js';

/** A NAT is taken for sure where so many of its samples agree. */
const SURE = 0.8;

/** What would make more peers reach a node, in sentences; the most useful first. Pure. */
export function adviceFor(check: Omit<NetCheck, 'advice' | 'verdict'>): readonly string[] {
  const { services, nats, ways, clock, hasRelay } = check;
  const advice: string[] = [];
  const carriers = services.filter(isCarrier);
  const isDialled = ways.every(({ toBeReached }) => toBeReached === 'dial');
  if (clock !== undefined)
    advice.push(`${sentence(clock.words)}: servers and peers refuse what is signed with a wrong time.`);
  for (const words of adviceForServers(services)) advice.push(words);
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
  for (const words of adviceForPorts(check, isDialled)) advice.push(words);
  if (carriers.length > 0 && nats.length === 0)
    advice.push(
      'No server has shown this machine’s NAT, so that nobody can punch: another rendezvous server or a STUN server (--stun) would.',
    );
  else if (nats.some((nat) => !isSure(nat) && nat.servers < 2))
    advice.push(
      'What kind of NAT this is takes two servers to tell: name another rendezvous server, or a STUN server (--stun).',
    );
  else if (!isDialled && nats.some((nat) => !isSure(nat)))
    advice.push(
      'This NAT does not map ports by one rule, as far as servers have seen: whether punches get through is a matter of luck.',
    );
  if (ways.some(({ toReach }) => toReach.startsWith('punch')) && isByWebPortsAlone(services))
    advice.push(
      'Servers were reached at the ports of the web alone: whether this network lets connections out to other ports, as punches need, is not known. A server at another port would show it.',
    );
  if (!isDialled && nats.some(({ natType }) => natType.type === 'random'))
    advice.push(
      `This NAT gives random ports: peers behind another such NAT ${hasRelay ? 'meet this node at a relay only' : 'do not reach this node without a relay'}.`,
    );
  const isLeft = ways.some(({ toReach, toBeReached }) => toReach === 'none' || toBeReached === 'none');
  if (!hasRelay && services.some(isRelay))
    advice.push('None of the relays can be used: see above why. They connect those that no direct way leads to.');
  else if (!hasRelay && isLeft)
    advice.push('Name a relay (--relay, --turn): it connects those that no direct way leads to.');
  return advice;
}

/** Whether every server that answers does so at such a port. */
function isByWebPortsAlone(services: NetCheck['services']): boolean {
  const used = services.filter(({ failure }) => failure === undefined);
  return used.length > 0 && used.every(({ server }) => isAtWebPort(server));
}

/** Of a URL without a port it is that of its scheme; other names of servers have one, or another for theirs. */
function isAtWebPort(server: string): boolean {
  const { scheme, port } =
    /^(?<scheme>(?:ws|http)s?:\/\/)?[^/]*?(?::(?<port>[0-9]+))?(?:\/|$)/.exec(server)?.groups ?? {};
  return port === undefined ? scheme !== undefined : port === '443' || port === '80';
}

function isSure({ natType, confidence }: NetCheck['nats'][number]): boolean {
  return natType.type !== 'unknown' && confidence >= SURE;
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
