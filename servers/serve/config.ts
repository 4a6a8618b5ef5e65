import type { DhtLimits } from '../../lib/dht/limits.js';
import { canonicalAddress, withoutZone, type ServerAddress } from '../../lib/endpoint.js';
import { InvalidOptionError } from '../../lib/errors.js';
import type { Identity } from '../../lib/identity.js';
import { invalidOption } from '../../lib/validate.js';
import type { AdminConfig } from '../admin/server.js';
import type { DrainConfig } from '../drain.js';
import type { HttpServerLimits } from '../http/limits.js';
import type { MailboxServerLimits } from '../mailbox/limits.js';
import type { DialLimits } from '../reachability/limits.js';
import type { RelayServerLimits } from '../relay/limits.js';
import type { RendezvousServerLimits } from '../rendezvous/limits.js';
import type { RedisStore } from '../store/redis-store.js';
import type { Store } from '../store/store.js';
import type { CertificateFiles } from '../tls/certificate-files.js';
import type { Watch } from '../watch.js';

/** The options of all servers together. */
export interface ServeConfig extends DrainConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** The rendezvous server's TCP port. Default: 8000. */
  readonly port?: number | undefined;
  /** The TCP port of the HTTP services. Default: 8080. */
  readonly httpPort?: number | undefined;
  /**
   * The UDP port of a node of the DHT; on the TCP port of the same number nodes are seen and dialled back. Default: there is
   * none.
   */
  readonly dhtPort?: number | undefined;
  /** The IPv4 address at which others reach the node of the DHT. Default: `bind`, or this machine's own. */
  readonly dhtAddress?: string | undefined;
  /** Other nodes of the DHT, to join them. Default: the node begins a DHT of its own. */
  readonly dhtBootstrap?: readonly ServerAddress[] | undefined;
  /**
   * What several servers share, so that each node reaches every other, whichever server has its session, and has one mailbox at all of
   * them: the URL of a Redis or of a cluster, as `redisStore$` takes it, or what that emits. Any other {@link Store} is used by the
   * rendezvous server alone. Default: memory.
   */
  readonly store?: Store | RedisStore | string | undefined;
  /** What the keys and channels of a store given by its URL begin with: servers with the same one share it. Default: `rxp2p:`. */
  readonly storePrefix?: string | undefined;
  /** What the rendezvous server bears, where it is not to be the default. */
  readonly limits?: Partial<RendezvousServerLimits> | undefined;
  /** Where the mailbox keeps messages: a folder, made if need be, of no other server. Default: memory, or the `store` that servers share. */
  readonly dataFolder?: string | undefined;
  /**
   * The names by which clients know the servers, each as in the URLs of the mailbox and the relay: `rv.example.org:8080`; the rendezvous
   * server's are the same hosts with its own port. Behind a NAT or a proxy it needs them. Nodes that find
   * them by the rendezvous server know them by the name of that, with the HTTP port; those that find the relay by the node of
   * the DHT, with `dhtPort`. A request that was signed for another is refused, so that no other server can pass on what it was
   * asked. Default: any name.
   */
  readonly hosts?: readonly string[] | undefined;
  /** What the mailbox bears, where it is not to be the default. */
  readonly mailboxLimits?: Partial<MailboxServerLimits> | undefined;
  /** Whether to join nodes that cannot reach each other, and pass their bytes on. Default: true. */
  readonly relay?: boolean | undefined;
  /** What the relay bears, where it is not to be the default. */
  readonly relayLimits?: Partial<RelayServerLimits> | undefined;
  /** What the server that dials nodes back bears, where it is not to be the default. */
  readonly reachabilityLimits?: Partial<DialLimits> | undefined;
  /** What the node of the DHT keeps, where it is not to be the default. */
  readonly dhtLimits?: Partial<DhtLimits> | undefined;
  /** What each HTTP server bears, where it is not to be the default. */
  readonly httpLimits?: Partial<HttpServerLimits> | undefined;
  /** Where the servers are looked at: `/healthz`, `/readyz`, `/metrics`, and a status page. Default: nowhere. */
  readonly admin?: AdminConfig | undefined;
  /** Told of what the servers do. Default: nobody is. */
  readonly watch?: Watch | undefined;
  /**
   * The addresses and networks (CIDR) of proxies that are believed when they say who calls: by the PROXY protocol on every TCP port,
   * by `Forwarded` or `X-Forwarded-For` with HTTP. Give only those that say it of everything that they pass on. Default: none.
   */
  readonly trustProxy?: readonly string[] | undefined;
  /**
   * The certificate by which the HTTP ports speak TLS, too: a connection that begins as TLS is HTTPS. Its files are read anew when they
   * change. Default: HTTP alone.
   */
  readonly tls?: CertificateFiles | undefined;
  /**
   * The rendezvous server's own key. Nodes that know the server by it, `rxp2p://KEY@HOST:PORT`, speak TLS with it on the rendezvous port.
   * Default: it has none.
   */
  readonly identity?: Identity | undefined;
}

/**
 * Rejects options of a server that is switched off, and an address to listen on that is none: each server would say so in its own way.
 *
 * @throws InvalidOptionError
 */
export function expectUse({
  bind,
  dhtPort,
  dhtAddress,
  dhtBootstrap,
  dhtLimits,
  relay,
  relayLimits,
  store,
  storePrefix,
}: ServeConfig): void {
  if (bind !== undefined && canonicalAddress(withoutZone(bind)) === undefined) {
    throw invalidOption('bind', 'an IP address of this machine', bind);
  }
  if (storePrefix !== undefined && typeof store !== 'string') {
    throw new InvalidOptionError(
      '`storePrefix` is of no use without a `store` that is the URL of a Redis. Leave it out',
    );
  }
  if (relay === false && relayLimits !== undefined) {
    throw new InvalidOptionError(
      '`relayLimits` are of no use with `relay: false`: there is no relay. Leave one of them out',
    );
  }
  if (dhtPort !== undefined) return;
  for (const [name, value] of Object.entries({ dhtAddress, dhtBootstrap, dhtLimits })) {
    if (value === undefined) continue;
    throw new InvalidOptionError(
      `\`${name}\` is of no use without \`dhtPort\`: there is no node of the DHT. Give the UDP port that it is to have`,
    );
  }
}
