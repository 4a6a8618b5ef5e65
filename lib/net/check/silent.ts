import type { ResolvedConfig } from '../../config.js';
import { formatServer } from '../../endpoint.js';
import { formatRendezvous } from '../../rendezvous-name.js';
import type { ServerReport } from '../../server-report.js';

/** How a server that nothing is known of yet is spoken of, when there has been time enough. */
const FAILURE = 'has not answered yet';

/**
 * The servers that were named to carry messages and are used, and of which nothing has been heard: no answer, no refusal. Each has an answer or a failure in the
 * end, but may take longer than a check. Pure.
 */
export function silentAmong(config: ResolvedConfig, services: readonly ServerReport[]): readonly ServerReport[] {
  const { rendezvous, mailbox, dht, mqtt, provesKeys } = config;
  const named: readonly Pick<ServerReport, 'kind' | 'server'>[] = [
    ...rendezvous.map((server) => ({ kind: 'rendezvous', server: formatRendezvous(server) }) as const),
    ...(provesKeys ? mailbox : []).map(({ href }) => ({ kind: 'mailbox', server: href }) as const),
    ...(provesKeys ? dht : []).map((server) => ({ kind: 'DHT', server: formatServer(server) }) as const),
    ...(provesKeys ? mqtt : []).map(({ url }) => ({ kind: 'MQTT', server: url }) as const),
  ];
  return named
    .filter(({ kind, server }) => !services.some((known) => known.kind === kind && known.server === server))
    .map((each) => ({ ...each, failure: FAILURE }));
}
