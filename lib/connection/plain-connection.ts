import type { Socket } from 'node:net';
import { PeerConnection, type ConnectionContext } from '../connection.js';
import { formatEndpoint } from '../endpoint.js';
import { Channel } from '../link/channel.js';
import { plainWire } from '../link/plain.js';
import { endpointsOf } from '../link/tcp.js';

/** What kind of plain connection. */
export interface PlainStart {
  readonly direction: 'inbound' | 'outbound';
  /** Whether PyP2P's nonce goes first, from the side that dialled. */
  readonly nonce: boolean;
}

/** Makes a connection of a socket as it is: lines that end in CRLF, nothing encrypted, nobody proven. */
export function plainConnection(
  socket: Socket,
  { direction, nonce }: PlainStart,
  context: ConnectionContext,
): PeerConnection {
  const { local, remote } = endpointsOf(socket);
  const peerId = `plain:${formatEndpoint(remote)}`;
  const channel = new Channel(
    { peerId, stream: socket, local, remote, technique: 'direct', direct: true },
    plainWire(!nonce ? 'none' : direction === 'inbound' ? 'expects' : 'sends'),
  );
  return new PeerConnection(channel, { id: '', direction, confirmed: true }, context);
}
