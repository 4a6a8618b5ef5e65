// `portal.js PORT`: what stands in the way of a guest who has not logged in. It answers everything that comes to its port: a handshake of TLS by a
// certificate of its own, and all else by sending the caller to its login page. It says where it listens.
import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { selfSignedCertificate } from '../../lib/certificate.js';
import { createIdentity } from '../../lib/identity.js';

/** The first byte of a handshake (RFC 8446 §5.1). */
const HANDSHAKE = 22;

const PAGE = ['HTTP/1.1 302 Found', 'Location: http://login.portal/', 'Content-Length: 0', 'Connection: close', '', ''];

const identity = createIdentity();
const secureContext = createSecureContext({ cert: selfSignedCertificate(identity), key: identity.privateKey });

function answer(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.once('data', () => {
    socket.end(PAGE.join('\r\n'));
  });
}

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.once('readable', () => {
    const first: unknown = socket.read(1);
    if (!Buffer.isBuffer(first)) return;
    socket.unshift(first);
    if (first[0] === HANDSHAKE) answer(new TLSSocket(socket, { isServer: true, secureContext }));
    else answer(socket);
  });
});
server.listen(Number(process.argv[2]), () => {
  console.log('portal');
});
