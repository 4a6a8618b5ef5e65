import type { Socket } from 'node:net';
import { catchError, map, noop, Observable, of, switchMap } from 'rxjs';
import type { RawData, WebSocket } from 'ws';
import type { BrokerAddress } from '../broker-name.js';
import { ClosedError, DialError, ProtocolError } from '../errors.js';
import { webSocket$ } from '../link/web-socket.js';
import type { Runtime } from '../runtime.js';
import { PACKET_MAX_BYTES } from './packets.js';

/** The name of MQTT among what WebSockets can carry (MQTT 5 §6). */
const SUBPROTOCOL = 'mqtt';

/** The longest message that a broker may send by WebSocket: several packets may be in one, or one in several. */
const MESSAGE_MAX_BYTES = 4 * PACKET_MAX_BYTES;

/** A connection to a broker, whatever carries its bytes. */
export interface BrokerStream {
  /** What comes, in pieces. Reading begins with the first subscription. Never completes. @throws ClosedError when the connection ends. */
  readonly chunk$: Observable<Buffer>;
  /** How many bytes wait for a broker that does not read. */
  readonly waitingBytes: number;
  /** Does nothing once the connection has ended. */
  write(bytes: Buffer): void;
  /** Closes the connection. What was written goes out as far as the system takes it. */
  close(): void;
}

/** What opening a connection needs. */
export interface StreamConfig {
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  readonly runtime: Pick<Runtime, 'dial$' | 'webTls$'>;
}

/**
 * Opens a connection to a broker, in the way that its URL says and in no other. Emits it and completes. On any failure, and when
 * unsubscribed from before, it closes what it has opened. It has no time limit of its own: the caller sets one.
 *
 * @throws DialError when the broker cannot be reached, or proves to be another.
 */
export function openStream$(
  { scheme, host, port, url }: BrokerAddress,
  { localAddress, runtime: { dial$, webTls$ } }: StreamConfig,
): Observable<BrokerStream> {
  return dial$({ host, port, localAddress }).pipe(
    // A broker has no reason to be told of other protocols; some refuse a connection that names one which they do not know.
    switchMap((socket) => (scheme === 'mqtts' || scheme === 'wss' ? webTls$(socket, host, []) : of(socket))),
    switchMap((socket) =>
      scheme === 'ws' || scheme === 'wss' ? overWebSocket$(socket, url) : of(socket).pipe(map(overSocket)),
    ),
  );
}

function overSocket(socket: Socket): BrokerStream {
  // Never removed: an `error` event while nobody reads must not end the process.
  socket.on('error', noop);
  return {
    chunk$: new Observable((subscriber) => {
      const onData = (chunk: Buffer) => {
        subscriber.next(chunk);
      };
      const onError = ({ message }: Error) => {
        subscriber.error(new ClosedError(`the link broke: ${message}`));
      };
      const onEnd = () => {
        subscriber.error(new ClosedError('the broker closed the connection'));
      };
      socket.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
      socket.resume();
      return () => {
        socket.off('data', onData).off('error', onError).off('end', onEnd).off('close', onEnd);
      };
    }),
    get waitingBytes() {
      return socket.writableLength;
    },
    write: (bytes) => {
      if (socket.writable) socket.write(bytes);
    },
    close: () => {
      socket.end();
      socket.destroySoon();
    },
  };
}

function overWebSocket$(socket: Socket, url: string): Observable<BrokerStream> {
  return webSocket$(socket, { url, protocol: SUBPROTOCOL, maxPayload: MESSAGE_MAX_BYTES }).pipe(
    catchError((cause: unknown) => {
      if (!(cause instanceof DialError)) throw cause;
      throw new DialError(`It cannot be spoken to by WebSocket: ${cause.message}`, { cause });
    }),
    map(overMessages),
  );
}

/** @param webSocket one that is open and paused. */
function overMessages(webSocket: WebSocket): BrokerStream {
  return {
    chunk$: new Observable((subscriber) => {
      const onMessage = (data: RawData, isBinary: boolean) => {
        if (isBinary && Buffer.isBuffer(data)) subscriber.next(data);
        else subscriber.error(new ProtocolError('Expected a message of bytes'));
      };
      const onError = ({ message }: Error) => {
        subscriber.error(new ClosedError(`the link broke: ${message}`));
      };
      const onClose = () => {
        subscriber.error(new ClosedError('the broker closed the connection'));
      };
      webSocket.on('message', onMessage).on('error', onError).on('close', onClose);
      webSocket.resume();
      return () => {
        // The listener for errors of the opening stays: an `error` event must not end the process.
        webSocket.off('message', onMessage).off('error', onError).off('close', onClose);
      };
    }),
    get waitingBytes() {
      return webSocket.bufferedAmount;
    },
    write: (bytes) => {
      webSocket.send(bytes, noop);
    },
    close: () => {
      webSocket.resume();
      webSocket.close();
      webSocket.terminate();
    },
  };
}
