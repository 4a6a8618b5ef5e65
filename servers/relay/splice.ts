import type { Socket } from 'node:net';
import { noop, Observable, type SchedulerLike } from 'rxjs';

/** What one session may take. */
export interface SpliceLimits {
  /** A session on which nothing has moved for this long is cut, in milliseconds. Nodes ping each other each 25 s. */
  readonly idleMs: number;
  /** Bytes that a session may pass, both directions together. Default: any number. */
  readonly bytesPerSession: number;
  /** Bytes a second that a session may pass on average, both directions together. Default: as many as there are. */
  readonly bytesPerSecond: number;
  /**
   * Bytes of each direction that wait here for a reader that is slower than the writer, who is paused meanwhile; with one
   * read of the kernel's (64 KiB) above that.
   */
  readonly bufferedBytes: number;
}

/** What a splice needs. */
export interface SpliceConfig {
  /** Two sockets that do not flow, and all of whose bytes are still to be read. Both are closed at the end. */
  readonly sockets: readonly [Socket, Socket];
  readonly limits: SpliceLimits;
  /** Emits {@link TICKS} times in `idleMs`. */
  readonly tick$: Observable<unknown>;
  readonly scheduler: SchedulerLike;
  /** Is told of bytes as they are passed on. */
  readonly count: (bytes: number) => void;
  /** For each of the sockets: is called when something waits in it. */
  readonly looks: readonly [() => void, () => void];
  /** Emits why it is to be cut, when it is. */
  readonly cut$: Observable<Cut>;
}

/** Why a splice was cut. `gaveWay`: a newcomer of a smaller site evicted it. */
export type Cut = 'idle' | 'bytes' | 'unread' | 'gaveWay';

/** How many times in the idle time one timer checks all sessions for progress. */
export const TICKS = 4;

/**
 * Passes whatever comes from either of two sockets on to the other, no faster than that reads. The end of one direction is
 * passed on after all that came before it, and the other goes on. Completes when both sockets are closed; a reset of one is
 * passed on as a reset. Emits the reason first, where a limit cuts it. Unsubscribing cuts it.
 */
export function splice$({ sockets: [a, b], limits, ...config }: SpliceConfig): Observable<Cut> {
  return new Observable((subscriber) => {
    const { tick$, scheduler, count, looks, cut$ } = config;
    let left = limits.bytesPerSession;
    let quietTicks = 0;
    let isHeld = false;
    const cut = (reason: Cut) => {
      subscriber.next(reason);
      subscriber.complete();
    };
    const spend = allowance(limits.bytesPerSecond, () => scheduler.now());
    /** Whether it may be passed on. */
    const admit = (bytes: number) => {
      left -= bytes;
      quietTicks = 0;
      if (left < 0) {
        cut('bytes');
        return false;
      }
      count(bytes);
      const waitMs = spend(bytes);
      if (waitMs > 0) hold(waitMs);
      return true;
    };
    const ways = [
      pass({ from: a, to: b, look: looks[1], bufferedBytes: limits.bufferedBytes, admit, isHeld: () => isHeld }),
      pass({ from: b, to: a, look: looks[0], bufferedBytes: limits.bufferedBytes, admit, isHeld: () => isHeld }),
    ];
    const hold = (ms: number) => {
      if (isHeld) return;
      isHeld = true;
      a.pause();
      b.pause();
      subscriber.add(
        scheduler.schedule(() => {
          isHeld = false;
          for (const { goOn } of ways) goOn();
        }, ms),
      );
    };
    subscriber.add(
      tick$.subscribe({
        next: () => {
          if (++quietTicks > TICKS) cut('idle');
        },
        error: noop,
      }),
    );
    subscriber.add(cut$.subscribe({ next: cut, error: noop }));
    const onClose = (socket: Socket, other: Socket) => () => {
      if (other.closed) subscriber.complete();
      else if (!socket.readableEnded || !socket.writableFinished) reset(other);
    };
    a.once('close', onClose(a, b));
    b.once('close', onClose(b, a));
    for (const { goOn } of ways) goOn();
    return () => {
      reset(a);
      reset(b);
    };
  });
}

/** The overhead that each waiting piece is counted with, so that tiny pieces cannot use unbounded memory. */
const PIECE_OVERHEAD = 256;

const NOTHING = Buffer.alloc(0);

/** One direction. */
interface PassConfig {
  readonly from: Socket;
  readonly to: Socket;
  readonly bufferedBytes: number;
  /** Is called when something waits for the reader. */
  readonly look: () => void;
  readonly admit: (bytes: number) => boolean;
  readonly isHeld: () => boolean;
}

/** Passes on what comes in one direction. `goOn` has it go on when it was held, unless its reader is slow. */
function pass({ from, to, bufferedBytes, look, admit, isHeld }: PassConfig): { readonly goOn: () => void } {
  let isFull = false;
  // How many pieces wait, each of which costs more than its bytes.
  let pieces = 0;
  const goOn = () => {
    if (!isFull && !isHeld()) from.resume();
  };
  const onWritten = () => {
    isFull = false;
    goOn();
  };
  from.on('data', (chunk: Buffer) => {
    if (!admit(chunk.length)) return;
    to.write(chunk);
    // The kernel took it at once, so nothing waits and there is no reason to pause.
    if (to.writableLength === 0) {
      pieces = 0;
      return;
    }
    look();
    pieces = to.writableLength === chunk.length ? 1 : pieces + 1;
    if (to.writableLength + pieces * PIECE_OVERHEAD < bufferedBytes) return;
    isFull = true;
    from.pause();
    // Called when all before it has gone.
    to.write(NOTHING, onWritten);
  });
  from.on('end', () => {
    to.end();
  });
  return { goOn };
}

/**
 * A token bucket of one second's bytes. Returns a function that takes bytes, more than are left if necessary, and returns how
 * long to wait until it is positive again, in milliseconds.
 */
function allowance(bytesPerSecond: number, now: () => number): (bytes: number) => number {
  if (bytesPerSecond === Number.POSITIVE_INFINITY) return () => 0;
  let available = bytesPerSecond;
  let last = now();
  return (bytes) => {
    const time = now();
    available = Math.min(bytesPerSecond, available + ((time - last) / 1000) * bytesPerSecond) - bytes;
    last = time;
    return Math.ceil((-available / bytesPerSecond) * 1000);
  };
}

/** Resets a socket, so that the end cannot be mistaken for an orderly one. */
function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // Once a FIN is queued, the RST would not be sent cleanly.
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
