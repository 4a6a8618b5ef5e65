import type { ResolvedConfig } from '../config.js';
import type { Connection, Direction } from '../connection/connection.js';
import type { Findings } from '../self/findings.js';
import type { NetStatus } from './interface.js';

/** The status of a net, without the reports of its servers and of the clock. Pure. */
export function statusOf(
  { identity: { peerId }, slots }: ResolvedConfig,
  { local, servers, reaches, location }: Findings,
  connections: readonly Connection[],
  isClosing: boolean,
): Omit<NetStatus, 'services' | 'clock'> {
  const slot = (direction: Direction) => ({
    used: connections.filter((connection) => connection.direction === direction).length,
    most: slots[direction],
  });
  return {
    state: isClosing ? 'closed' : local === undefined ? 'idle' : 'running',
    peerId,
    nodeType: location?.nodeType ?? 'unknown',
    natType: location?.natType ?? { type: 'unknown' },
    local,
    slots: { inbound: slot('inbound'), outbound: slot('outbound') },
    servers: servers.map(({ server, session, observed, failure }) => ({
      server,
      connected: session !== undefined,
      observed,
      failure,
    })),
    reach: reaches ?? [],
  };
}
