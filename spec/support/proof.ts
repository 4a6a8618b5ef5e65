import { canonicalAddress, formatEndpoint, type Endpoint } from '../../lib/endpoint.js';
import type { Identity } from '../../lib/identity.js';
import { formatRequest, proofOf, type Dialled } from '../../lib/rendezvous/messages.js';
import type { LineClient } from './line-client.js';

/** The server that a client has dialled, by its address. */
export function dialledBy({ socket }: LineClient): Dialled {
  const { remoteAddress = '', remotePort = 0 } = socket;
  const at: Endpoint = { address: canonicalAddress(remoteAddress) ?? remoteAddress, port: remotePort };
  return { server: formatEndpoint(at), at };
}

/** The line by which a client proves a key to a rendezvous server. */
export function proveLine(client: LineClient, identity: Identity, nonce: string, dialled = dialledBy(client)): string {
  const { peerId } = identity;
  return formatRequest({
    verb: 'PROVE',
    peerId,
    ...dialled,
    signature: identity.sign(proofOf(nonce, peerId, dialled)),
  });
}
