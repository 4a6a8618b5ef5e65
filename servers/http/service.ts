import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A request, and the place for its answer. */
export interface Exchange {
  readonly method: string;
  /** Its path and query. The host is of no meaning: it is what the caller wrote. */
  readonly url: URL;
  /** The caller's address, in canonical text. Headers that claim another are not believed. */
  readonly address: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What the caller would like to change to, where it says so. An answer in its place ends the connection. */
  readonly upgrade?: Upgrade | undefined;
}

/** Another protocol that a caller would like to speak on the same connection (RFC 9110 §7.8). */
export interface Upgrade {
  /** The Upgrade header, in lower case. */
  readonly protocol: string;
  /**
   * Agrees to that (101), and hands the connection over: paused, without delay, its errors listened to. It belongs to whoever
   * takes it, who bounds what waits in it, too; when the server is closed it is closed.
   */
  readonly accept: () => Socket;
}

/** Answers a request that is for it, now or later. Returns whether it is. */
export type HttpService = (exchange: Exchange) => boolean;
