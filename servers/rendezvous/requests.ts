import type { Request } from '../../lib/rendezvous/messages.js';

const PEER_VERBS = ['HELLO', 'PROVE', 'SEND', 'ADVERTISE', 'WITHDRAW', 'UNLS', 'PING'] as const;

/** A request of our own part of the protocol. */
export type PeerRequest = Extract<Request, { readonly verb: (typeof PEER_VERBS)[number] }>;

/** A request of PyP2P's part of the protocol. */
export type Pyp2pRequest = Exclude<Request, PeerRequest>;

/** Whether a request is of our own part of the protocol. */
export function isPeerRequest(request: Request): request is PeerRequest {
  const verbs: readonly string[] = PEER_VERBS;
  return verbs.includes(request.verb);
}
