import { canonicalAddress } from '../../lib/endpoint.js';

/** Addresses of every special-purpose range of RFC 6890 and of those that IANA has added since, the first and the last of each. */
const RANGES: Readonly<Record<string, readonly string[]>> = {
  'this network (RFC 791)': ['0.0.0.0', '0.255.255.255'],
  'private use (RFC 1918)': [
    '10.0.0.0',
    '10.255.255.255',
    '172.16.0.0',
    '172.31.255.255',
    '192.168.0.0',
    '192.168.255.255',
  ],
  'shared address space (RFC 6598)': ['100.64.0.0', '100.127.255.255'],
  'loopback (RFC 1122)': ['127.0.0.0', '127.0.0.1', '127.255.255.255'],
  'link local (RFC 3927)': ['169.254.0.0', '169.254.169.254', '169.254.255.255'],
  'IETF protocol assignments (RFC 6890)': ['192.0.0.0', '192.0.0.8', '192.0.0.170', '192.0.0.255'],
  'documentation (RFC 5737)': [
    '192.0.2.0',
    '192.0.2.255',
    '198.51.100.0',
    '198.51.100.255',
    '203.0.113.0',
    '203.0.113.255',
  ],
  'AS112 (RFC 7535, RFC 7534)': ['192.31.196.1', '192.175.48.1'],
  'AMT (RFC 7450)': ['192.52.193.1'],
  '6to4 relays (RFC 7526)': ['192.88.99.0', '192.88.99.255'],
  'benchmarking (RFC 2544)': ['198.18.0.0', '198.19.255.255'],
  'multicast (RFC 5771)': ['224.0.0.0', '239.255.255.255'],
  'reserved (RFC 1112)': ['240.0.0.0', '255.255.255.254'],
  'limited broadcast (RFC 8190)': ['255.255.255.255'],
  'IPv6 unspecified and loopback (RFC 4291)': ['::', '::1'],
  'IPv4-mapped (RFC 4291)': ['::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:169.254.169.254'],
  'IPv4-compatible (RFC 4291)': ['::7f00:1', '::a00:1'],
  'IPv4-translated (RFC 2765)': ['::ffff:0:7f00:1'],
  'NAT64 (RFC 6052, RFC 8215)': ['64:ff9b::7f00:1', '64:ff9b::a00:1', '64:ff9b:1::a00:1'],
  'discard only (RFC 6666)': ['100::', '100::ffff:ffff:ffff:ffff'],
  'Teredo (RFC 4380)': ['2001::', '2001:0:7f00:1::'],
  'IETF protocol assignments of IPv6 (RFC 2928)': ['2001:1::1', '2001:1ff:ffff::'],
  'benchmarking of IPv6 (RFC 5180)': ['2001:2::', '2001:2:0:ffff::'],
  'AMT of IPv6 (RFC 7450)': ['2001:3::1'],
  'AS112 of IPv6 (RFC 7535, RFC 7534)': ['2001:4:112::1', '2620:4f:8000::1'],
  'ORCHID (RFC 4843, RFC 7343)': ['2001:10::', '2001:1f:ffff::', '2001:20::', '2001:2f:ffff::'],
  'drone remote ids (RFC 9374)': ['2001:30::1'],
  'documentation of IPv6 (RFC 3849, RFC 9637)': ['2001:db8::', '2001:db8:ffff::1', '3fff::', '3fff:fff:ffff::'],
  '6to4 (RFC 3056)': ['2002:7f00:1::', '2002:a00:1::', '2002:c0a8:101::1'],
  'segment routing (RFC 9602)': ['5f00::1'],
  'unique local (RFC 4193)': ['fc00::', 'fd00::1', 'fdff:ffff::1'],
  'link local of IPv6 (RFC 4291)': ['fe80::1', 'febf::1'],
  'site local (RFC 3879)': ['fec0::1'],
  'multicast of IPv6 (RFC 4291)': ['ff00::', 'ff02::1'],
};

/** All of them in canonical text, as they come from messages. */
export const SPECIAL_ADDRESSES: readonly string[] = Object.entries(RANGES).flatMap(([range, addresses]) =>
  addresses.map((text) => {
    const address = canonicalAddress(text);
    if (address === undefined) throw new Error(`Not an address, of ${range}: ${text}`);
    return address;
  }),
);
