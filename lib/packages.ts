// The packages that are loaded only by programs that use them, all here. Node remembers an import that failed and never tries it again
// in that process. One that ran out of descriptors for a moment would be without the package for good, so a node loads what
// it will need when it starts (lib/net/preload.ts).

/** Asks by HTTP. */
export async function loadNodeFetch() {
  return (await import('node-fetch')).default;
}

/** Searches for UPnP gateways and chooses among their services. */
export async function loadNatUpnp() {
  return (await import('nat-upnp')).default;
}

/** Speaks NAT-PMP. */
export async function loadNatPmp() {
  return (await import('nat-pmp')).default;
}

/** Asks the system for its default route. */
export async function loadDefaultGateway() {
  return import('default-gateway');
}

/** A Kademlia DHT. It has native parts. */
export async function loadDhtRpc() {
  const [{ default: DHT }, { default: peer }] = await Promise.all([import('dht-rpc'), import('dht-rpc/lib/peer.js')]);
  return { DHT, peer };
}

/** LevelDB, for servers that keep something. It has native parts. */
export async function loadClassicLevel() {
  return (await import('classic-level')).ClassicLevel;
}
