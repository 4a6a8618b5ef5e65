import { descriptorLimit } from '../../lib/descriptors.js';
import { DEFAULT_HTTP_LIMITS } from '../http/limits.js';
import { beginningOf, DEFAULT_SERVER_LIMITS } from '../rendezvous/limits.js';
import type { ServeConfig } from './config.js';

/** How many connections servers take. */
export interface Connections {
  /** The rendezvous server. */
  readonly rendezvous: number;
  /** Each HTTP server: there are two where there is a node of the DHT. */
  readonly http: number;
}

/**
 * Descriptors that are no caller's: a database of dozens of files, a store, threads, dials back to callers, and callers that are being told that
 * there is no room for them. Where there are few, half of them.
 */
const OWN = 384;

/** As many as their limits say. */
export function connectionsOf({ limits, httpLimits }: Pick<ServeConfig, 'limits' | 'httpLimits'>): Connections {
  return {
    rendezvous: limits?.connections ?? DEFAULT_SERVER_LIMITS.connections,
    http: httpLimits?.connections ?? DEFAULT_HTTP_LIMITS.connections,
  };
}

/**
 * The same options, but where the process may have fewer descriptors than connections by its limits: then the servers take fewer, in the
 * proportion of their limits. A server that has no room for a newcomer gives it the place of another, of the site that has most. The system,
 * without a descriptor for it, would close it, whoever has the others.
 *
 * @param most how many descriptors the process may have; `undefined` where that is not known.
 */
export function withinDescriptors(config: ServeConfig, most: number | undefined = descriptorLimit()): ServeConfig {
  const { rendezvous, http } = connectionsOf(config);
  // Of TLS there are more that begin than have a session.
  const beginning = config.identity === undefined ? 0 : 2 * beginningOf({ connections: rendezvous });
  const needed = rendezvous + beginning + http * (config.dhtPort === undefined ? 1 : 2);
  const free = most === undefined ? Number.POSITIVE_INFINITY : Math.max(most - OWN, most / 2);
  // What is no number is rejected by the server whose limit it is.
  if (!(needed > free)) return config;
  const part = (connections: number) => Math.max(1, Math.floor((connections * free) / needed));
  return {
    ...config,
    limits: { ...config.limits, connections: part(rendezvous) },
    httpLimits: { ...config.httpLimits, connections: part(http) },
  };
}
