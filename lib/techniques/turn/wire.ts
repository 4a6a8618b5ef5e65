import type { Socket } from 'node:net';
import { Observable, of, switchMap } from 'rxjs';
import { Gathered } from '../../bounds/gathered.js';
import type { Endpoint } from '../../endpoint.js';
import { reading } from '../../link/reading.js';
import { within } from '../../operators/within.js';
import type { Runtime } from '../../runtime.js';
import { stunLength, stunSplitter } from '../../stun/messages.js';
import { formatTurn, type TurnAddress } from '../../stun/turn-name.js';

/** What carries messages to a TURN server and back. */
export interface Wire {
  readonly send: (message: Buffer) => void;
  /** Each message of the server, as it is. Fails when the connection ends, and at what is no STUN. */
  readonly message$: Observable<Buffer>;
}

/** What it takes to go to a TURN server. */
export interface WireConfig {
  readonly localAddress: string | undefined;
  /** For the connection and for each answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly runtime: Pick<Runtime, 'dial$' | 'webTls$' | 'scheduler' | 'newId'>;
}

/** What the TLS handshake agrees on: TURN (RFC 7443 §3). */
const PROTOCOLS = ['stun.turn'];

/** Connects to a TURN server, by TLS where it is named so. Emits the stream and completes; unsubscribed before that, it gives up. */
export function open$(
  server: TurnAddress,
  { localAddress, timeoutMs, runtime }: WireConfig,
  at?: Endpoint,
): Observable<Socket> {
  const { host, isSecure } = server;
  const { address, port } = at ?? { address: host, port: server.port };
  return runtime.dial$({ host: address, port, localAddress }).pipe(
    switchMap((socket) => (isSecure === true ? runtime.webTls$(socket, host, PROTOCOLS) : of(socket))),
    within(timeoutMs, `The TURN server ${formatTurn(server)} cannot be reached`, runtime.scheduler),
  );
}

/** A stream that carries nothing but messages. */
export function controlWire(stream: Socket): Wire {
  return {
    send: (message) => stream.write(message),
    message$: new Observable((subscriber) => {
      const split = stunSplitter();
      return reading(stream, subscriber, (chunk) => {
        for (const message of split(chunk)) subscriber.next(message);
      });
    }),
  };
}

/** A stream on which one message comes, and then what a peer sends: that is left on it, and the stream paused. */
export function dataWire(stream: Socket): Wire {
  return {
    send: (message) => stream.write(message),
    message$: new Observable((subscriber) => {
      const held = new Gathered();
      return reading(stream, subscriber, (chunk) => {
        held.push(chunk);
        const length = stunLength(held.bytes);
        if (length === undefined || held.length < length) return;
        const bytes = held.take();
        stream.pause();
        if (bytes.length > length) stream.unshift(bytes.subarray(length));
        subscriber.next(bytes.subarray(0, length));
        subscriber.complete();
      });
    }),
  };
}
