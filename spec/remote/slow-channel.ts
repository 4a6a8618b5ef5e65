import type { CallChannel, CallHandler } from '../../lib/remote/channel.js';

/** The channel of a call whose peer takes bytes when the spec says so. */
export class SlowChannel implements CallChannel {
  written = '';
  waiting = 0;
  hasEnded = false;
  handler: CallHandler | undefined;
  readonly resets: string[] = [];

  attach(handler: CallHandler): void {
    this.handler = handler;
  }

  write(bytes: Buffer): void {
    this.written += bytes.toString();
    this.waiting += bytes.length;
  }

  read(): void {
    // The peer may send as much as it likes.
  }

  end(): void {
    this.hasEnded = true;
  }

  reset({ code }: { readonly code: string }): void {
    this.resets.push(code);
    this.waiting = 0;
  }

  /** All that waits is on its way. */
  take(): void {
    this.waiting = 0;
    this.handler?.onWritten();
  }

  get lines(): readonly string[] {
    return this.written.split('\n').slice(0, -1);
  }
}
