/**
 * Every network of the lab, each as the routers that stand between a host and the internet and the nft rules that make
 * them what they are. In every router `wan` is the side to the internet and `lan0`, `lan1`, … are the inner sides; the
 * planner defines `$WAN` as the router's outer IPv4 address. The README says the same in the terms of RFC 4787 and 5382.
 */

export type Family = 4 | 6;

export type Mapping = 'none' | 'endpoint-independent' | 'address-dependent' | 'address and port-dependent';
export type Filtering = 'endpoint-independent' | 'address-dependent' | 'address and port-dependent';

/** Whose addresses: of a home, of a carrier's own network (RFC 6598), or of the internet. IPv6 ones are always public. */
export type AddressRange = 'private' | 'shared' | 'public';

/** What the self-check must observe from outside. */
export interface Behaviour {
  /** The host's own address, then the outer one of each router on its way to the internet: two NATs have three. */
  readonly addresses: readonly AddressRange[];
  readonly mapping: Mapping;
  /**
   * The external ports of consecutive local ports: the same, a fixed step apart, from all over the range, from most of it, or from a
   * block of so many.
   */
  readonly ports: 'preserved' | 'random' | 'scattered' | `delta ${number}` | `block of ${number}`;
  readonly filtering: Filtering;
  /** What meets a SYN to a port that the host listens on, but never sent anything from. */
  readonly unsolicited: 'accepted' | 'dropped' | 'reset';
}

export const PORT_MAPPING_PROTOCOLS = ['upnp', 'nat-pmp', 'pcp'] as const;
export type PortMappingProtocol = (typeof PORT_MAPPING_PROTOCOLS)[number];

export interface Router {
  /** How its inner side is numbered. */
  readonly inside: AddressRange;
  readonly nft: string;
  /** Settings of its kernel. */
  readonly sysctls?: readonly string[];
  /** Lines of miniupnpd's configuration, when the router runs it; `$EXTERNAL` is the outermost router's IPv4 address. */
  readonly miniupnpd?: string;
}

export interface Network {
  readonly about: string;
  readonly families: readonly Family[];
  /** From the host outwards; none when the host itself stands on the internet. */
  readonly routers: readonly Router[];
  /** Those of a second default route, which the system does not choose: its metric is higher. */
  readonly otherRouters?: readonly Router[];
  readonly behaviour: Readonly<Partial<Record<Family, Behaviour>>>;
  /** How many new flows a second get out, where that is limited. */
  readonly newFlowsPerSecond?: number;
  /** After how many seconds of silence a TCP connection is forgotten, where that is within the time of a check. */
  readonly forgetsAfterS?: number;
  /** The port mapping protocols that its gateway speaks, and the version that it names in each. */
  readonly portMapping?: Readonly<Partial<Record<PortMappingProtocol, string>>>;
  /** Whether what the gateway maps leads nowhere, though it says otherwise. */
  readonly mapsInVain?: true;
  /** Those whose requests to the gateway meet silence; others find a closed port, which says so at once. */
  readonly swallows?: readonly PortMappingProtocol[];
}

/** Two hosts that have a router in common. */
export interface SharedNetwork {
  readonly about: string;
  readonly router: Router;
  /** Each host's own routers on the way to the common one. */
  readonly own: readonly Router[];
  /** Whether the hosts share a link, so that they reach each other without the router. */
  readonly oneLink: boolean;
  /** Of each host alone, seen from the internet. */
  readonly behaviour: Behaviour;
  /** What meets a SYN to the other host's external endpoint, when nothing but the common router is in the way. */
  readonly hairpin: 'accepted' | 'dropped' | 'reset';
}

// --- The parts that rules are put together from ---

/** Lets in what belongs to a known connection, or was let in by a mapping; what else comes from outside is refused so. */
const stateful = (refusal: string) => `
table inet firewall {
  chain input {
    type filter hook input priority filter
    iifname "wan" ct state established,related accept
    iifname "wan" icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname "wan" ${refusal}
  }
  chain forward {
    type filter hook forward priority filter
    iifname "wan" ct state established,related accept
    iifname "wan" ct status dnat accept
    iifname "wan" ${refusal}
  }
}`;

const nat = (rule: string) => `
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "wan" ${rule}
  }
}`;

const SEQUENTIAL_FIRST = 20000;
const SEQUENTIAL_PORTS = 4096;

/** Each new connection gets the port that lies `delta` above the last one's, whatever its source port was. */
const sequential = (delta: number) => {
  const ports = Array.from({ length: SEQUENTIAL_PORTS }, (_, i) => `${i} : ${SEQUENTIAL_FIRST + i * delta}`);
  // `numgen … offset` would be shorter, but hands out its numbers in the wrong byte order.
  return nat(`meta l4proto { tcp, udp } snat to $WAN : numgen inc mod ${SEQUENTIAL_PORTS} map { ${ports.join(', ')} }`);
};

/**
 * Remembers which host has which external port, so that rules can let others than the first peer use the mapping. The last
 * host that a port was mapped for has it; `update` alone would renew the element and leave it with the first.
 */
const MAPPING = 'meta l4proto . ct reply proto-dst : ct original ip saddr . ct original proto-src';
const LEARN_MAPPINGS = `
  map mappings {
    type inet_proto . inet_service : ipv4_addr . inet_service
    flags dynamic, timeout
    # Nothing here sees a connection end, so a mapping stays for as long as an idle one may: RFC 5382 REQ-5.
    timeout 2h4m
    size 65535
  }
  chain learn {
    type filter hook postrouting priority srcnat + 10
    oifname "wan" meta l4proto { tcp, udp } ct state new delete @mappings { ${MAPPING} } update @mappings { ${MAPPING} }
  }`;

const FULL_CONE = `
table ip nat {${LEARN_MAPPINGS}
  chain prerouting {
    type nat hook prerouting priority dstnat
    iifname "wan" ip daddr $WAN dnat ip to meta l4proto . th dport map @mappings
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "wan" masquerade
  }
}`;

/** RFC 5382 REQ-8: from inside to a mapped external endpoint and back inside, with the external source endpoint. */
const HAIRPINNING = `
table ip nat {${LEARN_MAPPINGS}
  chain prerouting {
    type nat hook prerouting priority dstnat
    iifname "lan*" ip daddr $WAN dnat ip to meta l4proto . th dport map @mappings
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "wan" masquerade
    iifname "lan*" oifname "lan*" ct status dnat snat to $WAN
  }
}`;

/** Guests who may use the internet but not each other's machines, as in a hotel. */
const ISOLATED = `
table inet isolation {
  chain forward {
    type filter hook forward priority filter
    iifname "lan*" oifname "lan*" ct status dnat accept
    iifname "lan*" oifname "lan*" drop
  }
}`;

/** A carrier's router is no use to its subscribers' packets but to carry them on. */
const CARRIER = `
table inet carrier {
  chain input {
    type filter hook input priority filter
    iifname "lan*" meta l4proto { tcp, udp } drop
  }
}`;

const DROP = stateful('drop');
const REJECT = stateful('meta l4proto tcp reject with tcp reset');
const PRESERVE = nat('masquerade');
const RANDOMIZE = nat('masquerade fully-random');

const REMAPPED_FIRST = 10_000;

/** So many that two ports of a host hardly ever get the same one, which only one of them could use. */
const REMAPPED_PORTS = 16_384;

/** The same external port for each destination, but not the port of the host: what RFC 6888 asks of carriers. */
const REMAP = (() => {
  const ports = Array.from({ length: REMAPPED_PORTS }, (_, i) => `${i} : ${REMAPPED_FIRST + 3 * i}`);
  // As above, an `offset` would come out in the wrong byte order.
  const hash = `jhash ip saddr . th sport mod ${REMAPPED_PORTS} seed 0xbeef`;
  return nat(`meta l4proto { tcp, udp } snat to $WAN : ${hash} map { ${ports.join(', ')} }`);
})();

const BLOCK_PORTS = 512;

/** Each host has a block of ports of its own (RFC 7422), and each new connection gets some port of that. */
const PORT_BLOCKS = `
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "wan" ip saddr 192.168.1.11 meta l4proto { tcp, udp } masquerade to :20480-${20_480 + BLOCK_PORTS - 1} fully-random
    oifname "wan" ip saddr 192.168.1.12 meta l4proto { tcp, udp } masquerade to :24576-${24_576 + BLOCK_PORTS - 1} fully-random
  }
}`;

const NEW_FLOWS_PER_S = 20;

/** Protection against floods of SYNs, as some home routers have it: what begins too many flows a second loses the rest. */
const SYN_LIMIT = `
table inet syn_limit {
  chain forward {
    type filter hook forward priority filter - 1
    iifname "lan*" oifname "wan" ct state new limit rate over ${NEW_FLOWS_PER_S}/second burst ${NEW_FLOWS_PER_S} packets drop
  }
}`;

const FORGETS_AFTER_S = 60;

const HOME: Router = { inside: 'private', nft: DROP + PRESERVE };
const ISP: Router = { inside: 'shared', nft: DROP + CARRIER + PRESERVE };
const ISP_RANDOM: Router = { inside: 'shared', nft: DROP + CARRIER + RANDOMIZE };
const ISP_REMAP: Router = { inside: 'shared', nft: DROP + CARRIER + REMAP };
const ISP_HAIRPIN: Router = { inside: 'shared', nft: DROP + CARRIER + HAIRPINNING };

/** The chains that miniupnpd writes its mappings to; `stateful` lets in what they redirect. */
const MAPPED = `
table inet miniupnpd {
  chain forward {
    type filter hook forward priority filter
    jump mapped_forward
  }
  chain prerouting {
    type nat hook prerouting priority dstnat
    jump mapped
  }
  chain postrouting {
    type nat hook postrouting priority srcnat - 1
    jump mapped_postrouting
  }
  chain mapped_forward {
  }
  chain mapped {
  }
  chain mapped_postrouting {
  }
}`;

/** The same, and a firewall that lets in what was let through by a pinhole: a drop in another table would be the last word. */
const PINHOLED = MAPPED.replace(
  'jump mapped_forward',
  'ct state established,related accept\n    jump mapped_forward\n    iifname "wan" drop',
);

/** miniupnpd answers NAT-PMP and PCP on one port; the first byte tells the version of the protocol, 0 or 2. */
const silence = (version: number) => `
table inet one_protocol {
  chain input {
    type filter hook input priority filter
    iifname "lan*" udp dport 5351 @th,64,8 ${version} drop
  }
}`;

const NO_PORT_MAPPING = `
table inet no_port_mapping {
  chain input {
    type filter hook input priority filter
    iifname "lan*" udp dport { 1900, 5351 } drop
  }
}`;

const gateway = (miniupnpd: string, nft = ''): Router => ({
  inside: 'private',
  nft: DROP + PRESERVE + MAPPED + nft,
  miniupnpd,
});

/** A home router for both families, that maps ports of IPv4 and lets through to those of IPv6, by every protocol. */
export const DUAL_STACK_GATEWAY: Router = {
  inside: 'private',
  nft: PRESERVE + PINHOLED,
  miniupnpd: 'enable_upnp=yes\nenable_natpmp=yes\nforce_igd_desc_v1=no',
};

/** A home router that maps ports, but says that it has another address than it has. */
export const LYING_GATEWAY: Router = gateway('enable_upnp=yes\nenable_natpmp=yes\next_ip=45.99.99.99');

/** A home router that says that it maps ports, and does not. */
export const IDLE_GATEWAY: Router = {
  ...gateway('enable_upnp=yes\nenable_natpmp=yes\nforce_igd_desc_v1=no'),
  nft: DROP + PRESERVE + MAPPED.replaceAll(/jump \w+/g, ''),
};

/** A home router that leads all connections of TCP to a port of its own, as where guests have to log in. */
export const portal = (port: number): Router => ({
  ...HOME,
  nft: `${HOME.nft}
table ip portal {
  chain prerouting {
    type nat hook prerouting priority dstnat
    iifname "lan*" meta l4proto tcp redirect to :${port}
  }
}`,
});

// --- What is seen of them from outside ---

const OPEN: Behaviour = {
  addresses: ['public'],
  mapping: 'none',
  ports: 'preserved',
  filtering: 'endpoint-independent',
  unsolicited: 'accepted',
};
const FIREWALLED: Behaviour = {
  addresses: ['public', 'public'],
  mapping: 'none',
  ports: 'preserved',
  filtering: 'address and port-dependent',
  unsolicited: 'dropped',
};
const PRESERVING: Behaviour = {
  ...FIREWALLED,
  addresses: ['private', 'public'],
  mapping: 'endpoint-independent',
};
const SYMMETRIC: Behaviour = { ...PRESERVING, mapping: 'address and port-dependent', ports: 'random' };

const REMAPPING: Behaviour = { ...PRESERVING, ports: 'scattered' };

/** A home's NAT behind a carrier's. */
const BEHIND_CARRIER = { addresses: ['private', 'shared', 'public'] } as const;

const V4: readonly Family[] = [4];

export const NETWORKS = {
  public: {
    about: 'A host on the internet, with IPv4 and IPv6',
    families: [4, 6],
    routers: [],
    behaviour: { 4: OPEN, 6: OPEN },
  },
  firewall: {
    about: 'A public address behind a stateful firewall',
    families: V4,
    routers: [{ inside: 'public', nft: DROP }],
    behaviour: { 4: FIREWALLED },
  },
  fullcone: {
    about: 'A NAT that lets anyone use a mapping, once the host has made it',
    families: V4,
    routers: [{ inside: 'private', nft: DROP + FULL_CONE }],
    behaviour: { 4: { ...PRESERVING, filtering: 'endpoint-independent' } },
  },
  preserving: {
    about: 'The usual home router: keeps the source port, lets in answers only',
    families: V4,
    routers: [HOME],
    behaviour: { 4: PRESERVING },
  },
  'preserving-reject': {
    about: 'The same, but answers RST to what it does not expect',
    families: V4,
    routers: [{ inside: 'private', nft: REJECT + PRESERVE }],
    behaviour: { 4: { ...PRESERVING, unsolicited: 'reset' } },
  },
  delta1: {
    about: 'A symmetric NAT that gives each new connection the next port',
    families: V4,
    routers: [{ inside: 'private', nft: DROP + sequential(1) }],
    behaviour: { 4: { ...SYMMETRIC, ports: 'delta 1' } },
  },
  delta3: {
    about: 'The same in steps of three',
    families: V4,
    routers: [{ inside: 'private', nft: DROP + sequential(3) }],
    behaviour: { 4: { ...SYMMETRIC, ports: 'delta 3' } },
  },
  random: {
    about: 'A symmetric NAT that gives each new connection a random port',
    families: V4,
    routers: [{ inside: 'private', nft: DROP + RANDOMIZE }],
    behaviour: { 4: SYMMETRIC },
  },
  'upnp-igd1': {
    about: 'A home router that speaks UPnP as IGD:1',
    families: V4,
    routers: [gateway('enable_upnp=yes\nenable_natpmp=no\nforce_igd_desc_v1=yes')],
    behaviour: { 4: PRESERVING },
    portMapping: { upnp: 'InternetGatewayDevice:1' },
  },
  'upnp-igd2': {
    about: 'A home router that speaks UPnP as IGD:2',
    families: V4,
    routers: [gateway('enable_upnp=yes\nenable_natpmp=no\nforce_igd_desc_v1=no')],
    behaviour: { 4: PRESERVING },
    portMapping: { upnp: 'InternetGatewayDevice:2' },
  },
  natpmp: {
    about: 'A home router that speaks NAT-PMP only',
    families: V4,
    routers: [gateway('enable_upnp=no\nenable_natpmp=yes', silence(2))],
    behaviour: { 4: PRESERVING },
    portMapping: { 'nat-pmp': '0' },
    swallows: ['pcp'],
  },
  pcp: {
    about: 'A home router that speaks PCP only',
    families: V4,
    routers: [gateway('enable_upnp=no\nenable_natpmp=yes', silence(0))],
    behaviour: { 4: PRESERVING },
    portMapping: { pcp: '2' },
    swallows: ['nat-pmp'],
  },
  'upnp-off': {
    about: 'A home router that swallows port mapping packets without a word',
    families: V4,
    routers: [{ inside: 'private', nft: DROP + PRESERVE + NO_PORT_MAPPING }],
    behaviour: { 4: PRESERVING },
    swallows: ['nat-pmp', 'pcp'],
  },
  cgnat: {
    about: "A home router behind a carrier's NAT, both keeping ports",
    families: V4,
    routers: [HOME, ISP],
    behaviour: { 4: { ...PRESERVING, ...BEHIND_CARRIER } },
  },
  'cgnat-random': {
    about: "A home router behind a carrier's NAT that gives random ports",
    families: V4,
    routers: [HOME, ISP_RANDOM],
    behaviour: { 4: { ...SYMMETRIC, ...BEHIND_CARRIER } },
  },
  'upnp-behind-cgnat': {
    about: "A home router that maps ports by any protocol, in vain behind a carrier's NAT",
    families: V4,
    // Without `ext_ip` miniupnpd refuses to map for a router whose own address is not public.
    routers: [gateway('enable_upnp=yes\nenable_natpmp=yes\nforce_igd_desc_v1=no\next_ip=$EXTERNAL'), ISP],
    behaviour: { 4: { ...PRESERVING, ...BEHIND_CARRIER } },
    portMapping: { upnp: 'InternetGatewayDevice:2', 'nat-pmp': '0', pcp: '2' },
    mapsInVain: true,
  },
  remapping: {
    about: 'A NAT that gives each local port another port, the same for every destination',
    families: V4,
    routers: [{ inside: 'private', nft: DROP + REMAP }],
    behaviour: { 4: REMAPPING },
  },
  'cgnat-remapping': {
    about: "A home router that keeps ports behind a carrier's NAT that gives others, the same for every destination",
    families: V4,
    routers: [HOME, ISP_REMAP],
    behaviour: { 4: { ...REMAPPING, ...BEHIND_CARRIER } },
  },
  'port-block': {
    about: 'A NAT that gives each host a block of ports, and each new connection a random one of them',
    families: V4,
    routers: [{ inside: 'private', nft: DROP + PORT_BLOCKS }],
    behaviour: { 4: { ...SYMMETRIC, ports: `block of ${BLOCK_PORTS}` } },
  },
  'syn-limit': {
    about: 'The usual home router, that lets out only 20 new flows a second',
    families: V4,
    routers: [{ inside: 'private', nft: DROP + PRESERVE + SYN_LIMIT }],
    behaviour: { 4: PRESERVING },
    newFlowsPerSecond: NEW_FLOWS_PER_S,
  },
  forgetful: {
    about: 'The usual home router, that forgets a TCP connection after a minute of silence',
    families: V4,
    routers: [{ ...HOME, sysctls: [`net.netfilter.nf_conntrack_tcp_timeout_established=${FORGETS_AFTER_S}`] }],
    behaviour: { 4: PRESERVING },
    forgetsAfterS: FORGETS_AFTER_S,
  },
  vpn: {
    about: 'A host with two default routes: that of a VPN, which is used, and that of its home router',
    families: V4,
    routers: [{ inside: 'shared', nft: DROP + PRESERVE }],
    otherRouters: [HOME],
    behaviour: { 4: { ...PRESERVING, addresses: ['shared', 'public'] } },
  },
  'ipv6-firewall': {
    about: 'IPv6 only, behind a stateful firewall',
    families: [6],
    routers: [{ inside: 'public', nft: DROP }],
    behaviour: { 6: FIREWALLED },
  },
  'dual-stack': {
    about: 'A home router with NAT for IPv4 and a stateful firewall for IPv6',
    families: [4, 6],
    routers: [HOME],
    behaviour: { 4: PRESERVING, 6: FIREWALLED },
  },
} as const satisfies Record<string, Network>;

export const SHARED_NETWORKS = {
  'same-lan': {
    about: 'Two hosts on one LAN; their router does not hairpin',
    router: HOME,
    own: [],
    behaviour: PRESERVING,
    oneLink: true,
    hairpin: 'reset',
  },
  'same-cgnat': {
    about: "Two homes behind one carrier's NAT that does not hairpin",
    router: ISP,
    own: [HOME],
    behaviour: { ...PRESERVING, ...BEHIND_CARRIER },
    oneLink: false,
    hairpin: 'dropped',
  },
  'same-cgnat-hairpin': {
    about: "Two homes behind one carrier's NAT that hairpins",
    router: ISP_HAIRPIN,
    own: [HOME],
    behaviour: { ...PRESERVING, ...BEHIND_CARRIER },
    oneLink: false,
    hairpin: 'accepted',
  },
  hairpin: {
    about: 'Two hosts kept apart by their router, which hairpins',
    router: { inside: 'private', nft: DROP + ISOLATED + HAIRPINNING },
    own: [],
    behaviour: PRESERVING,
    oneLink: false,
    hairpin: 'accepted',
  },
} as const satisfies Record<string, SharedNetwork>;

export type NetworkName = keyof typeof NETWORKS;
export type SharedNetworkName = keyof typeof SHARED_NETWORKS;
