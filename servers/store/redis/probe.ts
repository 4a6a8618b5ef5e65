import { formatServer, type ServerAddress } from '../../../lib/endpoint.js';
import { reasonOf, StoreError } from '../../../lib/errors.js';
import type { Dial } from './clients.js';
import { notAsked } from './failure.js';
import { parseSlots, type SlotRange } from './slots.js';
import type { RedisAddress } from './url.js';

/** What was found at the address of a Redis. */
export interface Found {
  readonly nodes: RedisAddress['nodes'];
  /** Who has which slots of a cluster; `undefined` when it is none. */
  readonly ranges: readonly SlotRange[] | undefined;
}

/** A cluster has sharded channels since this version. */
const CLUSTER_VERSION = 7;

/**
 * Looks what is at the address of a Redis: one, or a cluster, of which one node that answers is enough.
 *
 * @throws StoreError when nothing is there that can be used.
 */
export async function probe({ nodes }: RedisAddress, dial: Dial): Promise<Found> {
  const reasons: string[] = [];
  for (const node of nodes) {
    try {
      return { nodes, ranges: await rangesAt(node, nodes.length > 1, dial) };
    } catch (error) {
      reasons.push(`${formatServer(node)}: ${reasonOf(error)}`);
    }
  }
  throw new StoreError(`The store cannot be used: ${reasons.join('; ')}`);
}

async function rangesAt(node: ServerAddress, isCluster: boolean, dial: Dial): Promise<Found['ranges']> {
  const client = dial(node, 'once');
  let failure: unknown;
  client.on('error', (error) => {
    failure = error;
  });
  try {
    await client.connect();
    const info = await client.info();
    const [, version] = /^redis_version:(\d+)\./m.exec(info) ?? [];
    if (version === undefined) throw notAsked('INFO');
    if (!/^cluster_enabled:1/m.test(info)) {
      if (isCluster) throw new StoreError('it is no node of a cluster. Name one Redis, or some nodes of one cluster');
      return undefined;
    }
    if (Number(version) < CLUSTER_VERSION) {
      throw new StoreError(`a cluster of version ${version} has no sharded channels: ${CLUSTER_VERSION} has`);
    }
    const ranges = parseSlots(await client.call('cluster', 'slots'), node.host);
    if (ranges === undefined) throw notAsked('CLUSTER SLOTS');
    if (ranges.length === 0)
      throw new StoreError('its cluster has no slots yet: create it (redis-cli --cluster create)');
    return ranges;
  } catch (error) {
    // The client says only that the connection is closed; why, it has said before.
    throw failure ?? error;
  } finally {
    client.disconnect();
  }
}
