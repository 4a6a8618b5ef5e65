import { parseEndpoint, type Endpoint } from '../../lib/endpoint.js';
import type { PortSample } from '../../lib/nat/classify.js';
import type { NatType } from '../../lib/unl/types.js';

// How every network of the lab (spec/lab/networks.ts) looked to three server endpoints on 2026-11-22: Linux 6.18,
// nftables 1.0.6. From each of five consecutive local ports the host connected to all three, 15 SYNs one right after the
// other, and each server wrote down where it saw the connection come from. Where two hosts share a router, the first kept its
// connections open while the second connected from the same local ports.

/** What was seen of one network. */
export interface Recording {
  readonly network: string;
  /** What it is, by its nft rules. */
  readonly is: NatType;
  /** The address of the host. */
  readonly own: string;
  /** Where the servers saw it. */
  readonly address: string;
  readonly servers: readonly string[];
  /** A local port, then the external port that each server saw. */
  readonly ports: readonly (readonly [localPort: number, ...seen: number[]])[];
}

const SERVERS_4 = ['45.45.10.2:7001', '45.45.10.2:7002', '45.45.11.2:7001'];
const SERVERS_6 = ['[2a45:45:0:10::2]:7001', '[2a45:45:0:10::2]:7002', '[2a45:45:0:11::2]:7001'];

/** The samples of a recording, in the order in which the SYNs left. */
export function samplesOf({ address, servers, ports }: Recording): PortSample[] {
  return ports.flatMap(([localPort, ...seen]) =>
    seen.map((port, i) => ({ localPort, server: endpointOf(servers[i] ?? ''), observed: { address, port } })),
  );
}

function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(`${text} is no endpoint`);
  return endpoint;
}

/** Five ports that were kept, by each server alike. */
const keptFrom = (first: number) => [0, 1, 2, 3, 4].map((i) => [first + i, first + i, first + i, first + i] as const);

/** A host behind a router, whose ports were kept unless a recording says otherwise. */
const HOME = { own: '192.168.1.11', address: '45.45.12.2', servers: SERVERS_4, ports: keptFrom(40000) } as const;

/** A host behind a firewall for IPv6. */
const FIREWALL_6 = {
  own: '2a45:46:0:13::11',
  address: '2a45:46:0:13::11',
  servers: SERVERS_6,
  ports: keptFrom(50000),
} as const;

export const RECORDINGS: readonly Recording[] = [
  {
    network: 'public',
    is: { type: 'open' },
    ...HOME,
    own: '45.45.12.2',
    address: '45.45.12.2',
  },
  {
    network: 'firewall',
    is: { type: 'open' },
    ...HOME,
    own: '45.46.13.11',
    address: '45.46.13.11',
  },
  { network: 'fullcone', is: { type: 'preserving' }, ...HOME },
  { network: 'preserving', is: { type: 'preserving' }, ...HOME },
  { network: 'preserving-reject', is: { type: 'preserving' }, ...HOME },
  {
    network: 'delta1',
    is: { type: 'delta', delta: 1 },
    ...HOME,
    ports: [
      [40000, 20000, 20001, 20002],
      [40001, 20003, 20004, 20005],
      [40002, 20006, 20007, 20008],
      [40003, 20009, 20010, 20011],
      [40004, 20012, 20013, 20014],
    ],
  },
  {
    network: 'delta3',
    is: { type: 'delta', delta: 3 },
    ...HOME,
    ports: [
      [40000, 20000, 20003, 20006],
      [40001, 20009, 20012, 20015],
      [40002, 20018, 20021, 20024],
      [40003, 20027, 20030, 20033],
      [40004, 20036, 20039, 20042],
    ],
  },
  {
    network: 'random',
    is: { type: 'random' },
    ...HOME,
    ports: [
      [40000, 64197, 3108, 64092],
      [40001, 17186, 55270, 53420],
      [40002, 46878, 25722, 4000],
      [40003, 21612, 48052, 55666],
      [40004, 52711, 27924, 30773],
    ],
  },
  { network: 'upnp-igd1', is: { type: 'preserving' }, ...HOME },
  { network: 'upnp-igd2', is: { type: 'preserving' }, ...HOME },
  { network: 'natpmp', is: { type: 'preserving' }, ...HOME },
  { network: 'pcp', is: { type: 'preserving' }, ...HOME },
  { network: 'upnp-off', is: { type: 'preserving' }, ...HOME },
  { network: 'cgnat', is: { type: 'preserving' }, ...HOME },
  {
    network: 'cgnat-random',
    is: { type: 'random' },
    ...HOME,
    ports: [
      [40000, 58930, 17702, 64709],
      [40001, 50247, 57809, 23821],
      [40002, 52071, 11535, 19343],
      [40003, 5402, 52923, 50435],
      [40004, 42290, 2659, 24995],
    ],
  },
  { network: 'ipv6-firewall', is: { type: 'open' }, ...FIREWALL_6 },
  { network: 'dual-stack IPv4', is: { type: 'preserving' }, ...HOME },
  { network: 'dual-stack IPv6', is: { type: 'open' }, ...FIREWALL_6 },
  { network: 'same-lan, the first host', is: { type: 'preserving' }, ...HOME },
  {
    network: 'same-lan, a second host with the same ports',
    is: { type: 'reuse' },
    ...HOME,
    own: '192.168.1.12',
    ports: [
      [40000, 63334, 63334, 63334],
      [40001, 22965, 22965, 22965],
      [40002, 4959, 4959, 4959],
      [40003, 49779, 49779, 49779],
      [40004, 27130, 27130, 27130],
    ],
  },
  { network: 'same-cgnat, the first host', is: { type: 'preserving' }, ...HOME },
  {
    network: 'same-cgnat, a second host with the same ports',
    is: { type: 'reuse' },
    ...HOME,
    own: '192.168.1.12',
    ports: [
      [40000, 16505, 16505, 16505],
      [40001, 9692, 9692, 9692],
      [40002, 57102, 57102, 57102],
      [40003, 59099, 59099, 59099],
      [40004, 22333, 22333, 22333],
    ],
  },
  { network: 'same-cgnat-hairpin, the first host', is: { type: 'preserving' }, ...HOME },
  {
    network: 'same-cgnat-hairpin, a second host with the same ports',
    is: { type: 'reuse' },
    ...HOME,
    own: '192.168.1.12',
    ports: [
      [40000, 33602, 33602, 33602],
      [40001, 34027, 34027, 34027],
      [40002, 61079, 61079, 61079],
      [40003, 63060, 63060, 63060],
      [40004, 20529, 20529, 20529],
    ],
  },
  { network: 'hairpin, the first host', is: { type: 'preserving' }, ...HOME },
  {
    network: 'hairpin, a second host with the same ports',
    is: { type: 'reuse' },
    ...HOME,
    own: '192.168.2.12',
    ports: [
      [40000, 38433, 38433, 38433],
      [40001, 64263, 64263, 64263],
      [40002, 16754, 16754, 16754],
      [40003, 50863, 50863, 50863],
      [40004, 65232, 65232, 65232],
    ],
  },
];
