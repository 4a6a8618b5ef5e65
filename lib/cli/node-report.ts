import { distinctUntilChanged, map, noop, skipWhile, type Subscription } from 'rxjs';
import type { Connection } from '../connection/connection.js';
import type { Path } from '../connection/path.js';
import { formatEndpoint, sameEndpoint } from '../endpoint.js';
import type { Net } from '../net/interface.js';
import type { Report } from './report.js';

/** Printed when this machine's clock is right again. */
const AGREES = 'the clock of this machine and those of the servers agree again';

/** Reports what every node has to tell: attempts to connect, servers that cannot be used, and a clock that is wrong. */
export function reportNode(net: Net, report: Report): void {
  reportAttempts(net, report);
  reportServers(net, report);
  reportClock(net, report);
}

/** Reports each technique's outcome as it comes, the steps of simultaneous opens, and the signals for them. */
function reportAttempts(net: Net, report: Report): Subscription {
  return net.trace$.subscribe({
    next: (step) => {
      if (step.type === 'technique' && step.outcome !== 'started') {
        const { technique, outcome, reason, elapsedMs } = step;
        report('attempt', { technique, outcome, ...(reason !== undefined && { reason }), elapsedMs }, undefined);
      } else if (
        step.type === 'nat' ||
        step.type === 'punch' ||
        step.type === 'signal' ||
        step.type === 'dht' ||
        step.type === 'lan'
      ) {
        const { type, ...fields } = step;
        report(
          type,
          'elapsedMs' in fields ? { ...fields, elapsedMs: Math.round(fields.elapsedMs) } : fields,
          undefined,
        );
      }
    },
    error: noop,
  });
}

/** Reports each server that cannot be used, and why: once, when that changes, and when it can be used again. */
export function reportServers(net: Pick<Net, 'trace$'>, report: Report): Subscription {
  const failed = new Set<string>();
  return net.trace$.subscribe({
    next: (step) => {
      if (step.type !== 'server') return;
      const { kind, server, failure } = step;
      const name = `${kind} server ${server}`;
      const isBack = failure === undefined && failed.delete(name);
      if (failure !== undefined) failed.add(name);
      // While others show the NAT, a STUN server is asked again only when the network changes.
      const again = kind === 'STUN' ? '' : ', trying again';
      const words = failure === undefined ? `${name} can be reached again` : `${name} ${failure}${again}`;
      const fields = { kind, server, reachable: failure === undefined, ...(failure !== undefined && { failure }) };
      report('server', fields, isBack || failure !== undefined ? words : undefined);
    },
    error: noop,
  });
}

/** Reports that this machine's clock and those of servers are apart: once, when that changes, and when they agree again. */
export function reportClock({ status$ }: Pick<Net, 'status$'>, report: Report): Subscription {
  return status$
    .pipe(
      map(({ clock }) => clock),
      distinctUntilChanged((one, other) => one?.words === other?.words),
      skipWhile((clock) => clock === undefined),
    )
    .subscribe({
      next: (clock) => {
        const { aheadMs = 0, servers = [], isCertain = false, words = AGREES } = clock ?? {};
        report('clock', { aheadMs, servers, certain: isCertain, words }, words);
      },
      error: noop,
    });
}

/** Reports which protocol opened a port of the router, and whether others can dial this node. */
export function reportReach(net: Net, report: Report): Subscription {
  return net.trace$.subscribe({
    next: (step) => {
      if (step.type === 'port-mapping' && step.outcome !== 'started') {
        const { protocol, outcome, reason, elapsedMs } = step;
        const fields = { protocol, outcome, ...(reason !== undefined && { reason }), elapsedMs: Math.round(elapsedMs) };
        report('port-mapping', fields, undefined);
      } else if (step.type === 'reach') {
        const { family, isReachable, endpoint, mapping, isBehindAnotherNat, words, elapsedMs } = step;
        const fields = {
          family,
          reachable: isReachable ?? null,
          ...(endpoint && { endpoint: formatEndpoint(endpoint) }),
          ...(mapping && {
            protocol: mapping.protocol,
            gateway: mapping.gateway,
            internal: formatEndpoint(mapping.internal),
            external: formatEndpoint(mapping.external),
          }),
          behindAnotherNat: isBehindAnotherNat,
          elapsedMs: Math.round(elapsedMs),
          words,
        };
        report('reach', fields, words);
      }
    },
    error: noop,
  });
}

/**
 * Reports that a connection is there, each other way that its lines take later, and why it ended.
 *
 * @param elapsedMs how long it took, in milliseconds; what is reported of its ways is counted from the same start.
 */
export function reportConnection(
  { peerId, path$, closed$ }: Pick<Connection, 'peerId' | 'path$' | 'closed$'>,
  elapsedMs: number,
  report: Report,
): void {
  const start = performance.now() - elapsedMs;
  const way$ = path$.pipe(
    // Ignores new measurements of the round trip: they do not change the path.
    distinctUntilChanged(isSameWay),
    map((path, index) => ({ path, isFirst: index === 0 })),
  );
  way$.subscribe({
    next: ({ path: { technique, direct, local, remote }, isFirst }) => {
      const ms = isFirst ? elapsedMs : Math.round(performance.now() - start);
      const ends = { local: formatEndpoint(local), remote: formatEndpoint(remote) };
      const fields = { peerId, technique, direct, elapsedMs: ms, ...ends };
      const way = direct ? '' : ', relayed';
      if (isFirst) {
        report('connected', fields, `connected to ${peerId} at ${ends.remote} (${technique}${way}, ${ms} ms)`);
      } else {
        report('path', fields, `now by ${technique} at ${ends.remote} (${direct ? 'direct' : 'relayed'})`);
      }
    },
    error: noop,
  });
  closed$.subscribe({
    next: ({ code, by, message }) => {
      report('closed', { peerId, reason: code, by, message }, code === 'closed' ? message : `closed: ${message}`);
    },
    error: noop,
  });
}

function isSameWay(one: Path, other: Path): boolean {
  return (
    one.technique === other.technique &&
    one.direct === other.direct &&
    sameEndpoint(one.local, other.local) &&
    sameEndpoint(one.remote, other.remote)
  );
}
