import { parsePyp2pRequest } from '../../lib/pyp2p/wire/rendezvous-messages.js';
import { parsePairingRequest } from '../../lib/rendezvous/pairing-messages.js';
import { parseRequest, readSend } from '../../lib/rendezvous/messages.js';
import { handlePairing, handlePairingNotice, leaveSlots } from './pairing.js';
import { handleNotice, handlePeerRequest, handleSend, leavePeers } from './peers.js';
import { handlePyp2pRequest } from './pyp2p.js';
import type { Protocols } from './session.js';

/** The two protocols on one port. PyP2P's servers say nothing to what they do not understand. */
export const bothProtocols: Protocols = {
  answer(line, session) {
    const send = readSend(line);
    if (send !== undefined) return handleSend(send, session);
    const request = parseRequest(line);
    if (request !== undefined && request.verb !== 'SEND') return handlePeerRequest(request, session);
    const pairing = parsePairingRequest(line);
    if (pairing !== undefined) return handlePairing(pairing, session);
    const pyp2pRequest = parsePyp2pRequest(line);
    if (pyp2pRequest !== undefined) return handlePyp2pRequest(pyp2pRequest, session);
    if (isHttp(line)) session.refuse('malformed', 'this port speaks no HTTP');
    return undefined;
  },
  heard(message, session) {
    if (!handlePairingNotice(message, session)) handleNotice(message, session);
  },
  ended(session) {
    leaveSlots(session);
    leavePeers(session);
  },
};

/**
 * Whether a line is a request of HTTP (RFC 9112 §3). A page can have the browser of its reader send one here, with lines of our protocol
 * behind it, and PyP2P's nodes are known by nothing but their address.
 */
function isHttp(line: string): boolean {
  return line.endsWith(' HTTP/1.1') || line.endsWith(' HTTP/1.0');
}
