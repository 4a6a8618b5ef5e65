/** A real miniupnpd on a router, with its own configuration and files. */

/**
 * Its uptime is its own, not the machine's, so that a daemon that is started anew looks like a router that is. Lifetimes
 * may be as short as is asked for, so that a renewal can be seen. The chains of the `miniupnpd` nft table are the router's; the names tell the daemon
 * where to write its mappings.
 */
export const configuration = (lan: string, settings: string, directory: string, hasIpv6: boolean): string => `\
ext_ifname=wan
listening_ip=${lan}
port=0
${settings}
secure_mode=yes
system_uptime=no
min_lifetime=1
notify_interval=60
uuid=6c61622d-7278-4032-b070-000000000001
lease_file=${directory}/leases
lease_file6=${directory}/leases6
ipv6_disable=${hasIpv6 ? 'no' : 'yes'}
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=mapped_forward
upnp_nat_chain=mapped
upnp_nat_postrouting_chain=mapped_postrouting
allow 1024-65535 192.168.0.0/16 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`;

/** In the foreground, so that it stays the lab's own child. */
export const argv = (configurationFile: string, directory: string): string[] => [
  'miniupnpd',
  '-d',
  '-f',
  configurationFile,
  '-P',
  `${directory}/pid`,
];

/** What it says on stderr when it answers: "HTTP listening on port …", or "Listening for NAT-PMP/PCP traffic on …". */
export const READY = /listening (on|for) /i;
