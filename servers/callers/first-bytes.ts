import type { Socket } from 'node:net';
import type { SchedulerLike } from 'rxjs';
import { Gathered } from '../../lib/bounds/gathered.js';

/** How the beginning of a connection is read. */
interface FirstBytesConfig<T> {
  /** With so many bytes it must be clear what they are. */
  readonly maxBytes: number;
  /** How long that may take, in milliseconds. */
  readonly ms: number;
  readonly scheduler: SchedulerLike;
  /** What the bytes so far are, and how many of them are read by that. It is asked again when `more` have come. */
  readonly read: (bytes: Buffer) => { readonly value: T; readonly length: number } | 'more' | 'malformed';
  /** Takes what they were: once. `undefined` when it could not be read, in time or at all, or the connection was closed. */
  readonly done: (value: T | undefined) => void;
}

/**
 * Reads what a connection begins with, and leaves what comes behind it to be read by others: then the socket is paused. Takes
 * no more from the socket than it needs to see what they are.
 */
export function firstBytes<T>(socket: Socket, { maxBytes, ms, scheduler, read, done }: FirstBytesConfig<T>): void {
  const gathered = new Gathered();
  const finish = (value: T | undefined) => {
    late.unsubscribe();
    socket.off('readable', look).off('close', give).off('end', give);
    socket.pause();
    done(value);
  };
  const give = () => {
    finish(undefined);
  };
  const look = () => {
    for (let chunk: unknown = socket.read(); Buffer.isBuffer(chunk); chunk = socket.read()) {
      gathered.push(chunk);
      const found = read(gathered.bytes);
      if (found === 'malformed' || (found === 'more' && gathered.length >= maxBytes)) {
        give();
        return;
      }
      if (found !== 'more') {
        const rest = gathered.bytes.subarray(found.length);
        if (rest.length > 0) socket.unshift(Buffer.from(rest));
        finish(found.value);
        return;
      }
    }
  };
  const late = scheduler.schedule(give, ms);
  socket.on('readable', look).on('close', give).on('end', give);
}
