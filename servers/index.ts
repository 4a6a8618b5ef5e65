/**
 * The servers by which nodes find, see and reach each other, for a program of your own; `npx rxp2p serve` runs them too. Begin at
 * {@link serve$}.
 *
 * @module rxp2p/servers
 */

// ─── The servers of rxp2p, to be run by anyone ───────────────────────────────────────────────────────────────────────
export { serve$, type ServeConfig, type Serving } from './serve.js';
export { rendezvousServer$, type RendezvousServer, type RendezvousServerConfig } from './rendezvous/server.js';
export type { RendezvousServerLimits } from './rendezvous/limits.js';

export {
  reachabilityServer$,
  type ReachabilityServer,
  type ReachabilityServerConfig,
  type ReachabilityServerLimits,
} from './reachability/server.js';
export { dhtServer$, type DhtServer, type DhtServerConfig } from './dht.js';
export type { DhtLimits } from '../lib/dht/limits.js';

export {
  mailboxServer$,
  type MailboxServer,
  type MailboxServerConfig,
  type MailboxServerLimits,
  type MailboxServiceConfig,
} from './mailbox/server.js';
export type { StorageState } from './mailbox/store.js';

export {
  relayServer$,
  type RelayCounters,
  type RelayServer,
  type RelayServerConfig,
  type RelayServerLimits,
  type RelayServiceConfig,
} from './relay/server.js';

export type { RefusalCode } from '../lib/relay/messages.js';
export type { Cut } from './relay/splice.js';

export type { HttpServerLimits } from './http/server.js';

// ─── What they keep ──────────────────────────────────────────────────────────────────────────────────────────────────
export { memoryStore, type MemoryStoreConfig } from './store/memory.js';
export type { Store, Table } from './store/store.js';
