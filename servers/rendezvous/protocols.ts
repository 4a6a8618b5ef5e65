import { parsePyp2pRequest } from '../../lib/pyp2p/wire/rendezvous-messages.js';
import { parseRequest, readSend } from '../../lib/rendezvous/messages.js';
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
    const pyp2pRequest = parsePyp2pRequest(line);
    return pyp2pRequest && handlePyp2pRequest(pyp2pRequest, session);
  },
  heard: handleNotice,
  ended: leavePeers,
};
