import type { ServerResponse } from 'node:http';
import { programName } from '../version.js';

/** Calls back when a response is finished or its caller has gone; at once if that has already happened. */
export function whenGone(response: ServerResponse, action: () => void): void {
  if (response.closed || response.socket?.destroyed === true) action();
  else response.once('close', action);
}

/** Answers with text. */
export function say(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  const server = programName();
  const headers = {
    ...(server === undefined ? {} : { server }),
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  };
  response.writeHead(status, headers).end(text);
}

/** Answers with JSON. */
export function sayJson(response: ServerResponse, value: unknown, status = 200): void {
  say(response, status, JSON.stringify(value), 'application/json');
}

/** The Retry-After of a temporary refusal, in seconds. */
const RETRY_AFTER_S = 30;

/** Why a request is refused, as the caller is told. */
interface Refused {
  readonly refused: string;
  readonly words: string;
  /** The time here, in milliseconds since the epoch: the caller's clock may be wrong. */
  readonly now: number;
}

/** Answers with a refusal in JSON; a temporary one gets a Retry-After header. */
export function sayRefused(response: ServerResponse, status: number, refused: Refused): void {
  if (status === 429 || status === 503) response.setHeader('retry-after', RETRY_AFTER_S);
  sayJson(response, refused, status);
}
