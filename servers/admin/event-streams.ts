import type { ServerResponse } from 'node:http';

/** Pages that may be open at the same time. */
const MAX_STREAMS = 16;

/** A stream for which more bytes wait is ended: its page reads no more. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** A page whose stream has ended asks again after this time, in milliseconds. */
const RETRY_MS = 2_000;

/** Server-sent events (WHATWG HTML §9.2) to a bounded number of pages. */
export class EventStreams {
  readonly #streams = new Set<ServerResponse>();

  /** Whether there is room for another. */
  get hasRoom(): boolean {
    return this.#streams.size < MAX_STREAMS;
  }

  /** Begins a stream with what was before. */
  open(response: ServerResponse, history: unknown): void {
    this.#streams.add(response);
    response.once('close', () => this.#streams.delete(response));
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: ${RETRY_MS}\n\n${textOf('history', history)}`);
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
