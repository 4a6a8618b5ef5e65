/**
 * The servers by which nodes find, see and reach each other, for a program of your own; `npx rxp2p serve` runs them too. Begin at
 * {@link serve$}.
 *
 * @module rxp2p/servers
 */

// ─── The servers of rxp2p, to be run by anyone ───────────────────────────────────────────────────────────────────────
export { serve$, type Serving } from './serve.js';
export type { ServeConfig } from './serve/config.js';
export type { Connections } from './serve/connections.js';
export type { CertificateFiles } from './tls/certificate-files.js';
export type { CertificateState } from './tls/held-certificate.js';
export { rendezvousServer$, type RendezvousServer, type RendezvousServerConfig } from './rendezvous/server.js';
export type { RendezvousServerLimits } from './rendezvous/limits.js';
export type { RefusalCode as RendezvousRefusalCode } from '../lib/rendezvous/messages.js';

export { reachabilityServer$, type ReachabilityServer, type ReachabilityServerConfig } from './reachability/server.js';
export type { DialLimits, ReachabilityServerLimits } from './reachability/limits.js';
export type { AdminConfig } from './admin/server.js';
export type { DrainConfig } from './drain.js';
export { dhtServer$, type DhtServer, type DhtServerConfig } from './dht.js';
export type { DhtLimits } from '../lib/dht/limits.js';

export {
  mailboxServer$,
  type MailboxServer,
  type MailboxServerConfig,
  type MailboxServiceConfig,
} from './mailbox/server.js';
export type { MailboxServerLimits } from './mailbox/limits.js';
export type { SessionRefusalCode } from '../lib/signalling/carriers/mailbox-lines.js';
export type { StorageState } from './mailbox/store.js';

export { relayServer$, type RelayServer, type RelayServerConfig, type RelayServiceConfig } from './relay/server.js';
export type { RelayCounters } from './relay/counters.js';
export type { RelayServerLimits } from './relay/limits.js';
export type { RefusalCode } from '../lib/techniques/relay/protocol.js';
export type { Cut } from './relay/splice.js';

export type { Standalone, StandaloneConfig } from './http/alone.js';
export type { HttpServer } from './http/server.js';
export type { HttpServerLimits } from './http/limits.js';

export {
  unwatched,
  type Counted,
  type GaugeName,
  type Refused,
  type ServiceName,
  type StoreRequest,
  type Timed,
  type Watch,
} from './watch.js';

// ─── What they keep ──────────────────────────────────────────────────────────────────────────────────────────────────
export { memoryStore, type MemoryStoreConfig } from './store/memory.js';
export { redisStore$, type RedisStore, type RedisStoreConfig } from './store/redis-store.js';
export type { ChannelListener, Soon, Store, Table } from './store/store.js';
