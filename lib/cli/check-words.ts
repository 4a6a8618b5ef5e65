import type { NatCheck, NetCheck } from '../net/check/interface.js';
import type { Means, PeerKind } from '../net/check/ways.js';
import { dialRows, lanRows, routerRows, serverRows } from './check-rows.js';

/** The kinds of peers, in words. */
const PEERS: Readonly<Record<PeerKind, string>> = {
  reachable: 'on the open internet, or with an open port',
  predictable: 'behind an ordinary home router',
  counting: 'behind a NAT that counts its ports up',
  random: 'behind a NAT with random ports',
};

/** How one gets to another, in words. */
const MEANS: Readonly<Record<Means, string>> = {
  dial: 'directly',
  'dial-back': 'directly, dialled back',
  punch: 'directly, punched',
  'punch-many': 'directly, punched by many ports',
  relay: 'by a relay',
  none: 'not at all',
};

const VERDICTS: Readonly<Record<Exclude<NetCheck['verdict'], 'direct'>, string>> = {
  relay: 'Others reach this node by a relay only.',
  unknown: 'Nobody outside has tried to reach this node, so that is not known: name a server by --rendezvous.',
  none: 'Others cannot reach this node, but for those that the table below says.',
};

/** How it stands, in a sentence, and what shows that where others reach this node directly. */
export function verdictOf({ verdict, reach, ways, isForwarded }: NetCheck): string {
  if (verdict !== 'direct') return VERDICTS[verdict];
  if (reach.some(({ isReachable }) => isReachable === true))
    return 'Others reach this node directly: a server outside has dialled it.';
  if (ways.every(({ toBeReached }) => toBeReached !== 'dial'))
    return 'Others reach this node directly, by punching: its NAT’s ports can be predicted, or many are tried.';
  if (isForwarded) return 'Others reach this node directly, if the port that you name is forwarded: nobody has tried.';
  return 'Others reach this node directly, if no firewall is in the way: servers see it at an address of its own, and nobody has dialled it.';
}

/** How a NAT maps ports, in words. */
export const NAT_WORDS: Readonly<Record<NatCheck['natType']['type'], string>> = {
  unknown: 'not known yet',
  open: 'no NAT',
  preserving: 'a NAT that keeps ports',
  reuse: 'a NAT that gives a port the same one outside for everybody',
  delta: 'a NAT that counts its ports up',
  random: 'a NAT that gives random ports',
};

function natWords({ family, natType, addresses, servers, confidence }: NatCheck): string {
  const words = NAT_WORDS[natType.type];
  const how = `${Math.round(confidence * 100)} % of what ${servers} ${servers === 1 ? 'address' : 'addresses'} of servers saw`;
  return `IPv${family}: ${words}, at ${addresses.join(', ')} (${how})`;
}

/** A check in words, for a terminal, line by line. Pure. */
export function checkWords(check: NetCheck): readonly string[] {
  const { addresses, nats, routers, lan, advice } = check;
  const servers = serverRows(check);
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['Servers', servers.length > 0 ? servers : ['none']],
    ['Addresses of this machine', addresses.length > 0 ? [addresses.join(', ')] : ['none that others could use']],
    ['NAT', nats.length > 0 ? nats.map(natWords) : ['no server has shown it']],
    ['Router', routers.flatMap(routerRows)],
    ['Can others dial this node?', dialRows(check)],
    ['Local network', lan === undefined ? [] : lanRows(lan)],
    ['What that means', [verdictOf(check), '', ...tableOf(check)]],
    ['What would make it better', advice.map((each) => `- ${each}`)],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .flatMap(([title, lines], index) => [
      ...(index > 0 ? [''] : []),
      title,
      ...lines.map((line) => (line === '' ? '' : `  ${line}`)),
    ]);
}

function tableOf({ ways, verdict }: NetCheck): readonly string[] {
  const width = Math.max(...Object.values(PEERS).map(({ length }) => length));
  const means = Math.max(...Object.values(MEANS).map(({ length }) => length));
  return [
    `${'a peer …'.padEnd(width)}  ${'this node reaches it'.padEnd(means)}  it reaches this node`,
    ...ways.map(
      ({ peer, toReach, toBeReached }) =>
        `${PEERS[peer].padEnd(width)}  ${MEANS[toReach].padEnd(means)}  ${verdict === 'unknown' && toBeReached === 'none' ? 'not known' : MEANS[toBeReached]}`,
    ),
  ];
}
