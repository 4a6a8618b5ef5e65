import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A request, and the place for its answer. */
export interface Exchange {
  readonly method: string;
  /** Its path and query. Ignore the host: it is whatever the caller wrote. */
  readonly url: URL;
  /** The caller's address, in canonical text. Headers that claim another are not believed. */
  readonly address: string;
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
}

/** Answers a request that is for it, now or later. Returns whether it is. */
export type HttpService = (exchange: Exchange) => boolean;
