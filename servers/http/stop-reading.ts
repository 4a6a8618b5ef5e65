import type { Socket } from 'node:net';

/** What Node's parser is to do behind the head of a request: read its body, if any, or stop, since what follows is no HTTP. */
const [GO_ON, STOP] = [0, 2];

/**
 * Has Node read no further request from a connection of an HTTP server. `pause` alone does not: Node resumes a socket behind each request
 * that it has read, unless it has paused it itself; and of what it has read already, 64 KiB with thousands of requests, it makes objects
 * for each, and errors when the connection is closed, which takes a tenth of a second. So this does what Node does when it pauses a socket,
 * and has it pass over the requests that it has read. Where another Node has no such properties, the socket is paused.
 */
export function stopReading(socket: Socket): void {
  Reflect.set(socket, '_paused', true);
  socket.pause();
  const parser: unknown = Reflect.get(socket, 'parser');
  if (typeof parser !== 'object' || parser === null || !('onIncoming' in parser)) return;
  parser.onIncoming = (request: { readonly upgrade?: boolean }) => (request.upgrade === true ? STOP : GO_ON);
}
