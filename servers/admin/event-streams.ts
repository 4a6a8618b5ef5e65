import type { ServerResponse } from 'node:http';
import { Admission } from '../../lib/bounds/admission.js';

/** Pages that may be open at the same time. With as many, a newcomer takes the place of the newest of the site that has most. */
const MAX_STREAMS = 16;

/** A stream for which more bytes wait is ended: its page reads no more. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** A page whose stream has ended asks again after this time, in milliseconds. */
const RETRY_MS = 2_000;

/** Server-sent events (WHATWG HTML §9.2) to a bounded number of pages. */
export class EventStreams {
  readonly #streams = new Set<ServerResponse>();
  readonly #room = new Admission<ServerResponse>({ most: MAX_STREAMS });

  /** Begins a stream with what was before. Returns whether there is room for it. */
  open(response: ServerResponse, site: string, history: unknown): boolean {
    const { isIn, gaveWay } = this.#room.admit(site, response);
    gaveWay?.destroy();
    if (!isIn) return false;
    this.#streams.add(response);
    response.once('close', () => {
      this.#streams.delete(response);
      this.#room.leave(site, response);
    });
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: ${RETRY_MS}\n\n${textOf('history', history)}`);
    return true;
  }

  /** Tells all streams. The value is made only where there is any. */
  tellAll(event: string, make: () => unknown): void {
    if (this.#streams.size === 0) return;
    const text = textOf(event, make());
    for (const response of this.#streams) {
      if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
      else response.write(text);
    }
  }
}

/** JSON has no line breaks: a value is one line. */
function textOf(event: string, value: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(value)}\n\n`;
}
