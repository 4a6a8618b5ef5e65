import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Caller } from '../callers/caller.js';

/** A request, and the place for its answer. */
export interface Exchange {
  readonly method: string;
  /** Its path and query. Ignore the host: it is whatever the caller wrote. */
  readonly url: URL;
  /** The caller's address, in canonical text: what limits are counted by. Headers that claim another are believed from proxies alone. */
  readonly address: string;
  /** Who asks, with all that is known of it. */
  readonly caller: Caller;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The protocol that the caller asks to change to, if any. A normal answer instead of the upgrade ends the connection. */
  readonly upgrade?: Upgrade | undefined;
}

/** Another protocol that a caller would like to speak on the same connection (RFC 9110 §7.8). */
export interface Upgrade {
  /** The Upgrade header, in lower case. */
  readonly protocol: string;
  /**
   * Accepts the upgrade (101) and hands over the connection: paused, with TCP_NODELAY, its errors listened to. The new owner must
   * limit what waits in it. It is closed with the server.
   */
  readonly accept: () => Socket;
  /** Hands over the connection in the same way, unanswered, and what has come behind the request. */
  readonly handOver: () => { readonly socket: Socket; readonly head: Buffer };
}

/** Answers a request that is for it, now or later. Returns whether it is. */
export type HttpService = (exchange: Exchange) => boolean;
