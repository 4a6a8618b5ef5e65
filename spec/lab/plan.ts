/**
 * From the networks of two hosts to a plan of namespaces, links, addresses and routes: pure, so that a mistake shows in a
 * spec and not as a packet that went nowhere.
 *
 * The internet is one namespace that routes between 45.45.n.0/24 (2a45:45:0:n::/64), one for each thing attached to it;
 * public addresses behind a firewall are 45.46.n.0/24 (2a45:46:0:n::/64). These are nobody's here, but must look public:
 * miniupnpd refuses to map for a router whose own address does not.
 */
import {
  NETWORKS,
  SHARED_NETWORKS,
  type Family,
  type Network,
  type NetworkName,
  type Router,
  type SharedNetwork,
  type SharedNetworkName,
} from './networks.js';

/** The dialer's and the listener's network, or one that both share. */
export type Pair = readonly [NetworkName, NetworkName] | readonly [SharedNetworkName];

export const SERVERS = ['s1', 's2'] as const;
const PEERS = ['a', 'b'] as const;
export type Peer = (typeof PEERS)[number];
export type Host = Peer | (typeof SERVERS)[number];

export interface Node {
  readonly name: string;
  readonly families: readonly Family[];
  /** What a router is; hosts have none. */
  readonly router?: Router;
  readonly addresses: { readonly device: string; readonly address: string; readonly family: Family }[];
  readonly routes: { readonly to: string; readonly via: string; readonly metric?: number }[];
  /** The ports of each bridge. */
  readonly bridges: Map<string, string[]>;
}

export interface Link {
  /** A line has the delay of an access line; a cable has none. */
  readonly kind: 'line' | 'cable';
  readonly ends: readonly [LinkEnd, LinkEnd];
}

export interface LinkEnd {
  readonly node: string;
  readonly device: string;
}

export interface Plan {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly links: readonly Link[];
}

export const PREFIX: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };

const EVERYWHERE: Readonly<Record<Family, string>> = { 4: '0.0.0.0/0', 6: '::/0' };

/** Of a second default route: the first has none, and is chosen. */
const OTHER_METRIC = 100;

const INTERNET: Router = { inside: 'public', nft: '' };

/** All homes number alike, as homes do: a private address of one means nothing, or someone else, in another. */
const PEER_NUMBER: Readonly<Record<Peer, number>> = { a: 11, b: 12 };

/** Of whoever is alone on a subnet but for its router, which is number 1. */
const OUTER_NUMBER = 2;

export const isNetwork = (name: string): name is NetworkName => Object.hasOwn(NETWORKS, name);
export const isSharedNetwork = (name: string): name is SharedNetworkName => Object.hasOwn(SHARED_NETWORKS, name);

export const planPair = (pair: Pair): Plan => {
  if (pair.length === 1) return planShared(SHARED_NETWORKS[pair[0]]);
  const planner = new Planner();
  planner.attach('a', NETWORKS[pair[0]]);
  planner.attach('b', NETWORKS[pair[1]]);
  return planner;
};

export const planShared = (network: SharedNetwork): Plan => {
  const planner = new Planner();
  planner.attachBoth(network);
  return planner;
};

/** One dialer, `a`, and many listeners, `b-0`, `b-1`, …, each behind a router of its own. */
export const planCrowd = (own: Network, others: readonly Network[]): Plan => {
  const planner = new Planner();
  planner.attach('a', own);
  for (const [i, other] of others.entries()) planner.attach('b', other, `-${i}`);
  return planner;
};

/** One host alone: enough to prove what its network is. */
export const planNetwork = (network: Network): Plan => {
  const planner = new Planner();
  planner.attach('a', network);
  return planner;
};

/** All that some pairs need on one internet: each network once for dialers and once for listeners, at `hostsOf` the pair. */
export const planPairs = (pairs: readonly Pair[]): Plan => {
  const planner = new Planner();
  for (const name of new Set(pairs.flat())) {
    if (isSharedNetwork(name)) planner.attachBoth(SHARED_NETWORKS[name], `-${name}`);
    else for (const peer of PEERS) planner.attach(peer, NETWORKS[name], `-${name}`);
  }
  return planner;
};

/** The dialer and the listener of a pair in a plan of many. */
export const hostsOf = (pair: Pair): readonly [dialer: string, listener: string] => [
  `a-${pair[0]}`,
  `b-${pair.length === 1 ? pair[0] : pair[1]}`,
];

/** The links between a node and the internet, the node's own first; the inner end of each comes first, too. */
export const wayOut = (plan: Plan, node: string): Link[] => {
  const link = plan.links.find(({ ends: [inner] }) => inner.node === node);
  return link === undefined ? [] : [link, ...wayOut(plan, link.ends[1].node)];
};

/** The access lines that a packet crosses from one node to another: those that are not on both ways out. */
export const linesBetween = (plan: Plan, one: string, other: string): number => {
  const [from, to] = [wayOut(plan, one), wayOut(plan, other)];
  const once = [...from.filter((link) => !to.includes(link)), ...to.filter((link) => !from.includes(link))];
  return once.filter(({ kind }) => kind === 'line').length;
};

export const familiesOf = (plan: Plan, node: string): readonly Family[] => nodeOf(plan, node).families;

export const addressOf = (plan: Plan, node: string, family: Family): string => {
  const found = nodeOf(plan, node).addresses.find((each) => each.family === family);
  if (found === undefined) throw new Error(`${node} has no IPv${family} address`);
  return found.address;
};

/** The name of a server, which has an address of each family; with a family, a name that has only one of that. */
export const serverName = (server: string, family?: Family): string =>
  family === undefined ? `${server}.lab` : `v${family}.${server}.lab`;

/** What /etc/hosts says on this internet. */
export const hostsFile = (plan: Plan): string => {
  const servers = SERVERS.flatMap((server) =>
    familiesOf(plan, server).map(
      (family) => `${addressOf(plan, server, family)} ${serverName(server)} ${serverName(server, family)}`,
    ),
  );
  return ['127.0.0.1 localhost', '::1 localhost', ...servers, ''].join('\n');
};

const nodeOf = (plan: Plan, name: string): Node => {
  const node = plan.nodes.get(name);
  if (node === undefined) throw new Error(`No such namespace in this plan: ${name}`);
  return node;
};

/** A subnet on the inner side of a router. */
interface Subnet {
  readonly router: Node;
  readonly device: string;
  address(family: Family, number: number): string;
}

class Planner implements Plan {
  readonly nodes = new Map<string, Node>();
  readonly links: Link[] = [];
  readonly #internet = this.#add('internet', [4, 6], INTERNET);
  #subnets = 10;

  constructor() {
    for (const server of SERVERS) this.#chain([], this.#add(server, [4, 6]));
  }

  /** What is attached more than once needs a suffix to its names. */
  attach(peer: Peer, { routers, otherRouters = [], families }: Network, suffix = ''): void {
    const name = `${peer}${suffix}`;
    const names = [`home-${name}`, `isp-${name}`];
    const host = this.#add(name, families);
    this.#chain(
      routers.map((router, i) => this.#add(names[i] ?? `isp${i}-${name}`, families, router)),
      host,
      PEER_NUMBER[peer],
    );
    if (otherRouters.length === 0) return;
    this.#chain(
      otherRouters.map((router, i) => this.#add(`other${i}-${name}`, families, router)),
      host,
      PEER_NUMBER[peer],
    );
  }

  attachBoth({ router: shared, own, oneLink }: SharedNetwork, suffix = ''): void {
    const router = this.#add(`common${suffix}`, [4], shared);
    this.#plug(router, this.#subnet(this.#internet), own.length === 0 ? 'line' : 'cable');
    const lan = oneLink ? this.#subnet(router) : undefined;
    for (const peer of PEERS) {
      const host = this.#add(`${peer}${suffix}`, [4]);
      if (lan === undefined) {
        const homes = own.map((each) => this.#add(`home-${host.name}`, [4], each));
        this.#chain(homes, host, PEER_NUMBER[peer], router);
      } else this.#plug(host, lan, 'cable', PEER_NUMBER[peer], this.#bridgePort(lan, `port-${peer}`));
    }
  }

  #add(name: string, families: readonly Family[], router?: Router): Node {
    const node: Node = { name, families, addresses: [], routes: [], bridges: new Map(), ...(router && { router }) };
    this.nodes.set(name, node);
    return node;
  }

  /** Hangs a host with its own routers (the innermost first) on `top`. Where the home ends is the access line. */
  #chain(routers: readonly Node[], host: Node, number = OUTER_NUMBER, top = this.#internet): void {
    let outer = top;
    for (const inner of [host, ...routers].reverse()) {
      const isLine = inner === routers[0] || (inner === host && outer === this.#internet);
      this.#plug(inner, this.#subnet(outer), isLine ? 'line' : 'cable', inner === host ? number : OUTER_NUMBER);
      outer = inner;
    }
  }

  #subnet(router: Node): Subnet {
    const n = this.#subnets++;
    const subnets = this.links.filter(({ ends }) => ends[1].node === router.name).length;
    const device = router === this.#internet ? `to-${n}` : `lan${subnets}`;
    const inside = router.router?.inside ?? 'public';
    const area = router === this.#internet ? 45 : 46;
    // Each home counts its own LANs from 192.168.1.0/24.
    const lan = router.addresses.filter((each) => each.device.startsWith('lan')).length + 1;
    const net4 = { private: `192.168.${lan}`, shared: `100.64.${lan}`, public: `45.${area}.${n}` }[inside];
    const net6 = `2a45:${area}:0:${n}:`;
    const address = (family: Family, number: number) => (family === 4 ? `${net4}.${number}` : `${net6}:${number}`);
    for (const family of router.families) {
      if (area === 46 && (family === 6 || inside === 'public')) {
        const to = `${address(family, 0)}/${PREFIX[family]}`;
        this.#internet.routes.push({ to, via: addressOf(this, router.name, family) });
      }
      router.addresses.push({ device, address: address(family, 1), family });
    }
    return { router, device, address };
  }

  #bridgePort({ router, device }: Subnet, port: string): string {
    router.bridges.set(device, [...(router.bridges.get(device) ?? []), port]);
    return port;
  }

  #plug(inner: Node, subnet: Subnet, kind: Link['kind'], number = OUTER_NUMBER, port = subnet.device): void {
    const before = this.links.filter(({ ends: [end] }) => end.node === inner.name).length;
    const device = inner.router === undefined ? `eth${before}` : 'wan';
    this.links.push({
      kind,
      ends: [
        { node: inner.name, device },
        { node: subnet.router.name, device: port },
      ],
    });
    for (const family of inner.families) {
      inner.addresses.push({ device, address: subnet.address(family, number), family });
      const route = { to: EVERYWHERE[family], via: subnet.address(family, 1) };
      inner.routes.push(before === 0 ? route : { ...route, metric: OTHER_METRIC });
    }
  }
}
