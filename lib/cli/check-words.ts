import type { NatCheck, NetCheck } from '../net/check/interface.js';
import type { Means, PeerKind } from '../net/check/ways.js';
import { formatEndpoint } from '../endpoint.js';
import { formatRendezvous } from '../rendezvous-name.js';
import { oneLine } from '../words.js';

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

const VERDICTS: Readonly<Record<NetCheck['verdict'], string>> = {
  direct: 'Others reach this node directly.',
  relay: 'Others reach this node by a relay only.',
  unknown: 'Nobody outside has tried to reach this node, so that is not known: name a server by --rendezvous.',
  none: 'Others cannot reach this node, but for those that the table below says.',
};

/** How it stands, in a sentence. */
export function verdictOf({ verdict }: NetCheck): string {
  return VERDICTS[verdict];
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
  const { services, sessions, addresses, nats, reach, ways, advice, verdict } = check;
  const measured = new Map(sessions.map((session) => [formatRendezvous(session.server), session]));
  const servers = services.map(({ kind, server, failure }) => {
    const session = kind === 'rendezvous' ? measured.get(server) : undefined;
    const ms = session?.roundTripMs === undefined ? '' : `, ${Math.round(session.roundTripMs)} ms`;
    const seen = session?.observed === undefined ? '' : `, sees this machine at ${session.observed.address}`;
    const state = failure === undefined ? `answers${ms}${seen}` : oneLine(failure);
    return `${failure === undefined ? 'ok  ' : 'FAIL'}  ${kind} server ${server} ${state}`;
  });
  const width = Math.max(...Object.values(PEERS).map(({ length }) => length));
  const means = Math.max(...Object.values(MEANS).map(({ length }) => length));
  const table = [
    `${'a peer …'.padEnd(width)}  ${'this node reaches it'.padEnd(means)}  it reaches this node`,
    ...ways.map(
      ({ peer, toReach, toBeReached }) =>
        `${PEERS[peer].padEnd(width)}  ${MEANS[toReach].padEnd(means)}  ${verdict === 'unknown' && toBeReached === 'none' ? 'not known' : MEANS[toBeReached]}`,
    ),
  ];
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['Servers', servers.length > 0 ? servers : ['none']],
    ['Addresses of this machine', addresses.length > 0 ? [addresses.join(', ')] : ['none that others could use']],
    ['NAT', nats.length > 0 ? nats.map(natWords) : ['no server has shown it']],
    [
      'Can others dial this node?',
      check.isForwarded
        ? ['A port is forwarded, as you say']
        : reach.length > 0
          ? reach.map(
              ({ family, endpoint, words }) =>
                `IPv${family}: ${words}${endpoint ? ` [${formatEndpoint(endpoint)}]` : ''}`,
            )
          : ['that was not looked into'],
    ],
    ['What that means', [verdictOf(check), '', ...table]],
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
