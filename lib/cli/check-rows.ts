import { formatEndpoint } from '../endpoint.js';
import type { LanCheck } from '../lan/look.js';
import type { Ipv6Check, NetCheck } from '../net/check/interface.js';
import { PROTOCOL_NAMES } from '../net/check/port-advice.js';
import type { ProtocolCheck, RouterCheck } from '../port-mapping/ask-router.js';
import { formatRendezvous } from '../rendezvous-name.js';
import { oneLine } from '../words.js';

/** A server a row: whether it answers, how far it is, by what, and what it runs. Pure. */
export function serverRows({ services, sessions, versions }: NetCheck): readonly string[] {
  const measured = new Map(sessions.map((session) => [formatRendezvous(session.server), session]));
  const versionAt = new Map(versions.map(({ server, version }) => [server, version]));
  return services.map(({ kind, server, failure }) => {
    if (failure !== undefined) return `FAIL  ${kind} server ${server} ${oneLine(failure)}`;
    const session = kind === 'rendezvous' ? measured.get(server) : undefined;
    const version = versionAt.get(session?.services ?? server);
    const said = [
      session?.roundTripMs === undefined ? [] : `${Math.round(session.roundTripMs)} ms`,
      session?.observed === undefined ? [] : `sees this machine at ${session.observed.address}`,
      version === undefined ? [] : `version ${version}`,
    ].flat();
    return `ok    ${kind} server ${server} ${['answers', ...said].join(', ')}`;
  });
}

const STATES: Readonly<Record<ProtocolCheck['state'], string>> = {
  answers: 'answers',
  refuses: 'answers, but refuses',
  silent: 'does not answer',
  closed: 'cannot be asked',
};

/** What a router says of itself, a protocol a row. Pure. */
export function routerRows({ family, gateway, name, protocols }: RouterCheck): readonly string[] {
  const rows = protocols.map(({ protocol, state, external, reason }) => {
    const says = external === undefined ? '' : `, says that its address outside is ${external}`;
    const why = (state === 'refuses' || state === 'closed') && reason !== undefined ? `: ${oneLine(reason)}` : '';
    return `  ${PROTOCOL_NAMES[protocol]}: ${STATES[state]}${says}${why}`;
  });
  return [`IPv${family}: ${name === undefined ? '' : `${oneLine(name)}, `}at ${gateway}`, ...rows];
}

const IPV6: Readonly<Record<Exclude<Ipv6Check['state'], 'open' | 'closed'>, string>> = {
  none: 'IPv6: this node has no public address',
  unknown: 'IPv6: no server has tried to dial this node’s public address',
};

/** Who has dialled this node, and by which address it reaches itself. Pure. */
export function dialRows({ reach, ipv6, hairpin, isForwarded }: NetCheck): readonly string[] {
  const rows = reach.map(
    ({ family, endpoint, words }) => `IPv${family}: ${words}${endpoint ? ` [${formatEndpoint(endpoint)}]` : ''}`,
  );
  const seen = isForwarded
    ? ['A port is forwarded, as you say']
    : rows.length > 0
      ? rows
      : ['that was not looked into'];
  // Where a server has tried, its row says so.
  const isTold = ipv6.state === 'open' || ipv6.state === 'closed' || reach.some(({ family }) => family === 6);
  return [
    ...seen,
    ...(isTold ? [] : [IPV6[ipv6.state]]),
    ...(hairpin === undefined
      ? []
      : [
          hairpin.isPossible
            ? `From behind the same router: yes, at ${formatEndpoint(hairpin.endpoint)} too (hairpin)`
            : `From behind the same router: not at ${formatEndpoint(hairpin.endpoint)} (no hairpin); by this machine’s own addresses`,
        ]),
  ];
}

/** What multicast shows. Pure. */
export function lanRows({ interfaces, heard, hosts, nodes, failures }: LanCheck): readonly string[] {
  const deaf = interfaces.filter((name) => !heard.includes(name));
  return [
    ...(interfaces.length === 0 && failures.length === 0 ? ['no interface for multicast'] : []),
    ...(heard.length > 0 ? [`multicast: this machine hears itself by ${heard.join(', ')}`] : []),
    ...(deaf.length > 0
      ? [`multicast: this machine does not hear itself by ${deaf.join(', ')}: a firewall drops it`]
      : []),
    ...failures.map((failure) => `multicast: ${oneLine(failure)}`),
    ...(heard.length === 0 ? [] : [hostsWords(hosts, nodes)]),
  ];
}

function hostsWords(hosts: number, nodes: number): string {
  if (hosts === 0) return 'other machines: none was heard, so that it is not known whether multicast gets to them';
  const of =
    nodes === 0
      ? 'none of them runs a node that wants to be found'
      : `${nodes} of them with a node that wants to be found`;
  return `other machines: ${hosts} heard, ${of}`;
}
