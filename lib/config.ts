import type { BrokerAddress, MqttBroker } from './broker-name.js';
import type { ServerAddress } from './endpoint.js';
import type { Identity, PeerId } from './identity.js';
import type { RendezvousAddress } from './rendezvous-name.js';
import type { StunAddress } from './stun/name.js';
import type { TurnCredentials, TurnServer } from './stun/turn-name.js';

/** How long things may take, all in milliseconds. Each can be set in {@link NetConfig.timing}. */
export interface Timing {
  /** For one technique to connect, with all its tries (PyP2P: 60 s). */
  readonly techniqueMs: number;
  /** To open one TCP connection: the kernel's SYN goes out at 0, 1 and 3 s (RFC 6298 §2), so that three tries fit. */
  readonly dialMs: number;
  /** For TLS and the hello after it: a few round trips on the slowest of paths. */
  readonly handshakeMs: number;
  /** Between the starts of dials to several endpoints of one peer: the Connection Attempt Delay of RFC 8305 §5. */
  readonly staggerMs: number;
  /** Between two heartbeats: well below the 2 h 4 min of RFC 5382 REQ-5, and below the 60 s of the worst NATs seen. */
  readonly heartbeatMs: number;
  /**
   * A peer that leaves a heartbeat, or what was sent, unanswered for this long at most makes its link doubtful, and another is looked
   * for beside it: longer than any path takes with its buffers full, and the SYN's third try (RFC 6298 §2). Once the round trip is
   * known, three of its timeouts are enough, and a second at least.
   */
  readonly silenceMs: number;
  /** How long a connection stays open without a link while a new one is looked for. (A router takes longer to restart.) */
  readonly survivalMs: number;
  /** For the peer to answer an orderly close; counts anew whenever anything moves. */
  readonly closeMs: number;
  /** How long `unl$` waits at the start for the rendezvous servers, so that the first locator is whole: 3 round trips. */
  readonly gatherMs: number;
  /** Pause between two checks of this machine's own addresses, 40 µs each: there is no portable event for a change. */
  readonly networkMs: number;
  /** For servers to say where they see this node's ports: two round trips on a slow path. Slower servers are left out. */
  readonly natMs: number;
  /** For how long a gateway is asked to keep a port open: a crash leaves nothing for longer (RFC 6886 §3.3: 7200 s). */
  readonly mappingMs: number;
  /** Between two looks whether the gateway still has the mapping: one that restarted is noticed within this time. */
  readonly mappingCheckMs: number;
  /** Between two tries to become reachable: somebody may have changed the router's settings meanwhile. */
  readonly mappingRetryMs: number;
  /** For a reachability server to answer: it may take a second to dial, and there is a round trip or more around it. */
  readonly reachabilityMs: number;
  /** The first pause before a lost rendezvous session is tried again; it doubles, with jitter, up to `reconnectMaxMs`. */
  readonly reconnectMs: number;
  /** Short, so that a node is registered again within a second of a restarted server's return. */
  readonly reconnectMaxMs: number;
  /** The first pause before a net with free slots asks for more nodes; it doubles up to `bootstrapMs`. */
  readonly bootstrapMinMs: number;
  /** A net with all it wants asks for more nodes this often (PyP2P: 30 min). */
  readonly bootstrapMs: number;
  /** A net advertises itself this often (PyP2P: 12 h). */
  readonly advertiseMs: number;
  /** How long a broadcast line is remembered so that copies of it are dropped: longer than any flood takes. */
  readonly seenMs: number;
}

/** Limits on memory and on connections. Each can be set in {@link NetConfig.limits}. */
export interface Limits {
  /** The longest line, in bytes without its end (PyP2P: 1 MiB). */
  readonly lineBytes: number;
  /** The longest message, in bytes. */
  readonly messageBytes: number;
  /** Channels that either side has open on one connection. */
  readonly channels: number;
  /**
   * The peer may send 64 KiB on a channel before anybody reads them. This window grows with the pace of the reader, and this is how much
   * all windows of a connection may grow by; one alone may take half of it. A path of 80 ms and 200 MB a second takes 16 MiB. As
   * many bytes again may be held of lines and messages that have begun, on all channels; when they are used up, the others have to wait
   * until one is whole.
   */
  readonly windowBytes: number;
  /** Calls to one peer that are under way: as many as that peer allows by default. Further calls wait for their turn. */
  readonly callsUnderWay: number;
  /** Calls that wait for their turn, with at most `sendMaxBytes` of arguments. A call beyond fails. */
  readonly waitingCalls: number;
  /** Calls of one peer to exposed objects that are under way. */
  readonly remoteCalls: number;
  /** Calls that one peer may begin in a second. */
  readonly remoteCallsPerSecond: number;
  /** What waits of the values of one call, when its Observable is faster than the caller takes them: see `overflow` of `expose`. */
  readonly remoteBytes: number;
  /**
   * What waits of the values of all calls of one peer. When more would, Observables give way, first the one for which most waits;
   * iterables and Promises wait. So that no call holds up all others, half of it is shared out: of the default 16 KiB for each channel.
   */
  readonly remoteTotalBytes: number;
  /** `send` returns false when this many bytes wait to be sent. */
  readonly sendHighWaterBytes: number;
  /** A channel, or the connection where it is its own, is ended when this many bytes wait for a peer that does not read. */
  readonly sendMaxBytes: number;
  /**
   * How many sent bytes are kept, for a new link, until the peer acknowledges them. When so many wait, sending pauses. At a round trip
   * of 80 ms the default is enough for 200 MB a second.
   */
  readonly unacknowledgedBytes: number;
  /**
   * How much is read ahead of an application that does not read, on a plain connection, so that its end is noticed. Then the socket is
   * paused. On a secured one each channel has credit: see `windowBytes`.
   */
  readonly readAheadBytes: number;
  /** Inbound connections that have not proven a key yet. */
  readonly pendingInbound: number;
  /** Broadcast lines that are remembered. */
  readonly seenLines: number;
}

/** What a gateway can be asked by to open a port, best first. */
export const PORT_MAPPING_PROTOCOLS = ['pcp', 'nat-pmp', 'upnp'] as const;

/**
 * A protocol by which a router is asked to open a port: PCP (RFC 6887), NAT-PMP (RFC 6886), or UPnP's Internet Gateway Device.
 *
 * @useDeclaredType
 */
export type PortMappingProtocol = (typeof PORT_MAPPING_PROTOCOLS)[number];

/** A TURN server, and by what this node may use it. */
export interface TurnConfig {
  /** `turn:HOST`, or `turns:HOST` by TLS, with a port or without (RFC 7065), spoken to by TCP: `?transport=tcp` may be said. */
  readonly url: string;
  /** A user's name; with `credential`, where these always hold. */
  readonly username?: string | undefined;
  /** The user's password. */
  readonly credential?: string | undefined;
  /** Gives a name and a password that hold for a time, before each use: the web service that makes them is asked here. */
  readonly credentials?: (() => TurnCredentials | Promise<TurnCredentials>) | undefined;
}

/** The options of a net. */
export interface NetConfig {
  /** `direct` only takes and makes connections; `p2p` also bootstraps, advertises and fills its slots. */
  readonly mode: 'direct' | 'p2p';
  /** Default: a new identity, so that the node has another peer id after each start. */
  readonly identity?: Identity | undefined;
  /** The local address to listen on and to dial from, so that several nodes can live on one machine. Default: all. */
  readonly bind?: string | undefined;
  /** The local port to listen on; 0, the default, lets the system choose. */
  readonly port?: number | undefined;
  /** The port is forwarded to this node by hand: others can dial its public address. */
  readonly forwarded?: boolean | undefined;
  /**
   * Whether the router is asked to open a port when others cannot dial this node, and by which protocols. By default by all of
   * PCP, NAT-PMP and UPnP, whichever it answers first.
   */
  readonly portMapping?: boolean | readonly PortMappingProtocol[] | undefined;
  /**
   * Whether to send the thousands of SYNs that it takes to meet a NAT with random ports. Default: true.
   */
  readonly birthday?: boolean | undefined;
  /**
   * Servers that dial back to tell whether others can dial this node: `http://HOST:PORT` each. By default those that the
   * rendezvous servers name. `false` leaves it unknown, for a node that only dials.
   */
  readonly reachability?: readonly string[] | false | undefined;
  /**
   * Relays at which to meet peers that no direct way leads to: `http://HOST:PORT` or `https://HOST:PORT` each, with the relay at
   * `relay` below it. Both nodes have to know the same one. By default those of the servers that the node knows anyway, as it
   * finds them at the rendezvous servers, below the URLs in `mailbox`, and beside the nodes in `dht`. `false`: this node meets
   * nobody at a relay, whoever asks. Not used in plain mode.
   */
  readonly relay?: readonly string[] | false | undefined;
  /**
   * Rendezvous servers: `wss://HOST`, with a certificate of an authority; `rxp2p://KEY@HOST:PORT`, with a key of its own; or `HOST:PORT`, in
   * the clear. Each is spoken to as it is named, and in no other way. Of `wss:` (and `ws:`) servers all HTTP services are used, too: their mailbox,
   * unless `mailbox` is given, their relay, and that they dial back. In plain mode `HOST:PORT` alone.
   */
  readonly rendezvous?: readonly string[] | undefined;
  /**
   * Certificates of authorities, PEM, by which servers of `wss:` and `https:` may be proven, besides those that everybody trusts: for servers of a
   * company, say. Default: none.
   */
  readonly ca?: string | undefined;
  /**
   * Mailbox servers, `http://HOST:PORT` each: they keep messages for this node while it is away, and take those that it sends.
   * The other HTTP services below the same URL show it its NAT and dial it back. In plain mode PyP2P's mailboxes, each a
   * `dht_msg.php` below its URL, for reverse connects in `direct` mode and for nothing else.
   */
  readonly mailbox?: readonly string[] | undefined;
  /**
   * Nodes of a distributed hash table, `HOST:PORT` each, to join it by: messages then need no server. IPv4 only. HTTP services on
   * the TCP port of the same number, as `rxp2p serve --dht-port` has them, show this node its NAT and dial it back. Not used in
   * plain mode.
   */
  readonly dht?: readonly string[] | undefined;
  /**
   * STUN servers, which show this node its NAT, beside the other servers or without any: `HOST:PORT` each, spoken to by TCP, or `stuns:HOST:PORT`,
   * by TLS. One is enough where it has a second address (OTHER-ADDRESS); else two at different addresses. They carry no signals.
   */
  readonly stun?: readonly string[] | undefined;
  /**
   * MQTT brokers that carry signals: `mqtts://HOST`, `wss://HOST/PATH`, or in the clear `mqtt://HOST` and `ws://HOST/PATH`, each with a port if it
   * has another than usual. A name and a password for the broker stand before the host, percent-encoded (`mqtts://NAME:PASSWORD@HOST`),
   * or beside the URL: `{ url, username, password }`. Needs the package mqtt-packet. Not used in plain mode.
   */
  readonly mqtt?: readonly (string | MqttBroker)[] | undefined;
  /**
   * Whether nodes of the local network can find this node, and it them, by multicast DNS and with no server at all: see `Net.neighbours$`. Everybody on
   * the network can read its peer id and its locator then. Where the node is bound to an address, only that address's network is used.
   * Default: false. Not used in plain mode.
   */
  readonly lan?: boolean | undefined;
  /**
   * TURN servers (RFC 8656) that this node may use: where no direct way leads to a peer, one of them listens for the peer by TCP (RFC 6062), and
   * passes on what both say. One of the two nodes has to have one. `relay: false` switches them off, too. Not used in plain mode.
   */
  readonly turn?: readonly TurnConfig[] | undefined;
  /** `tls`, the default, proves every peer and encrypts every byte. `plain` speaks PyP2P's bare lines: no privacy, no proof. */
  readonly security?: 'tls' | 'plain' | undefined;
  /** Whether an inbound peer is welcome, judged by its proven key (not on plain links). By default everybody is. */
  readonly acceptPeer?: ((peerId: PeerId) => boolean) | undefined;
  /**
   * The most inbound connections; in `p2p` mode one site (an IPv4 address, an IPv6 /48) gets half of them at most. When all slots
   * are taken, a newcomer from a smaller site takes the place of a connection on which nothing was sent: the newest of the
   * largest site. Also the most outbound connections that `p2p` mode makes by itself; `connect$` is not limited. Default: 1024
   * each in
   * `direct` mode; 20 and 10 in `p2p` mode. If both numbers were equal (PyP2P: 10 and 10), a network would use up all its slots,
   * and new nodes could not join.
   */
  readonly slots?:
    | {
        /** Inbound connections at most. */
        readonly inbound?: number | undefined;
        /** Outbound connections that `p2p` mode makes by itself, at most. */
        readonly outbound?: number | undefined;
      }
    | undefined;
  /** Timeouts and intervals that differ from the defaults. */
  readonly timing?: Partial<Timing> | undefined;
  /** Limits that differ from the defaults. */
  readonly limits?: Partial<Limits> | undefined;
  /** Closes the net when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** A checked {@link NetConfig} with every default filled in. */
export interface ResolvedConfig {
  readonly mode: 'direct' | 'p2p';
  readonly identity: Identity;
  readonly bind: string | undefined;
  readonly port: number;
  readonly forwarded: boolean;
  readonly portMapping: readonly PortMappingProtocol[];
  readonly birthday: boolean;
  readonly reachability: readonly URL[] | false;
  readonly relay: readonly URL[] | false;
  readonly rendezvous: readonly RendezvousAddress[];
  readonly mailbox: readonly URL[];
  readonly ca: string | undefined;
  readonly dht: readonly ServerAddress[];
  readonly stun: readonly StunAddress[];
  readonly mqtt: readonly BrokerAddress[];
  readonly lan: boolean;
  readonly turn: readonly TurnServer[];
  readonly security: 'tls' | 'plain';
  /**
   * Whether nodes prove their keys. What rests on keys is there only then: signals, relays, the HTTP services beside mailboxes, links in
   * place of those that break.
   */
  readonly provesKeys: boolean;
  readonly acceptPeer: (peerId: PeerId) => boolean;
  readonly slots: { readonly inbound: number; readonly outbound: number };
  readonly timing: Timing;
  readonly limits: Limits;
  readonly signal: AbortSignal | undefined;
}

/** Node's timers count in 32 bits: a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MIB = 1024 * 1024;

export const DEFAULT_TIMING: Timing = {
  techniqueMs: 60 * SECOND,
  dialMs: 5 * SECOND,
  handshakeMs: 10 * SECOND,
  staggerMs: 250,
  heartbeatMs: 25 * SECOND,
  silenceMs: 5 * SECOND,
  survivalMs: 30 * SECOND,
  closeMs: 30 * SECOND,
  gatherMs: 3 * SECOND,
  networkMs: 500,
  natMs: 2 * SECOND,
  mappingMs: 2 * HOUR,
  mappingCheckMs: 1 * MINUTE,
  mappingRetryMs: 5 * MINUTE,
  reachabilityMs: 3 * SECOND,
  reconnectMs: 100,
  reconnectMaxMs: 800,
  bootstrapMinMs: 1 * SECOND,
  bootstrapMs: 30 * MINUTE,
  advertiseMs: 12 * HOUR,
  seenMs: 1 * MINUTE,
};

export const DEFAULT_LIMITS: Limits = {
  lineBytes: MIB,
  messageBytes: MIB,
  channels: 1024,
  windowBytes: 32 * MIB,
  callsUnderWay: 512,
  waitingCalls: 65_536,
  remoteCalls: 512,
  remoteCallsPerSecond: 100_000,
  remoteBytes: MIB,
  remoteTotalBytes: 32 * MIB,
  sendHighWaterBytes: MIB / 4,
  sendMaxBytes: 64 * MIB,
  unacknowledgedBytes: 16 * MIB,
  readAheadBytes: MIB / 16,
  pendingInbound: 256,
  seenLines: 10_000,
};
