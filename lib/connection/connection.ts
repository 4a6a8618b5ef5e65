import type { Duplex } from 'node:stream';
import type { Observable, ObservableInput } from 'rxjs';
import type { PeerId } from '../identity.js';
import type { CloseReason } from './close-reason.js';
import type { Path } from './path.js';

/** Who made a connection: this node (`outbound`) or the peer (`inbound`). */
export type Direction = 'inbound' | 'outbound';

/**
 * Lines of text to and from one peer. It is made by `net.connect$` or arrives in `net.connections$`.
 *
 * @example
 * net.connect$(unl).subscribe((connection) => {
 *   connection.lines$.subscribe(console.log);
 *   connection.send('Sup Bob.');
 * });
 */
export interface Connection {
  /** The key that the peer proved. On a plain link nothing is proven, and this is `plain:` with the peer's endpoint. */
  readonly peerId: PeerId;
  /** `outbound` when this node dialled. */
  readonly direction: Direction;

  /**
   * The lines from the peer, to every subscriber alike. None is lost before the first subscriber: they wait, and with
   * more than a little waiting the peer's socket is paused. Completes when no more will come; `closed$` tells why.
   */
  readonly lines$: Observable<string>;

  /**
   * Does something for each line, one at a time, and pauses the peer while it is being done, so that a slow reader needs
   * no memory. Emits what the inner Observables emit. Errors when one of them does.
   *
   * @param project as for RxJS's `concatMap`.
   * @param concurrent how many may be under way at once. Default: 1.
   * @returns a cold Observable, which completes when the last line that will come has been dealt with.
   *
   * @example
   * connection.eachLine$((text) => appendFile('log', text + '\n')).subscribe();
   */
  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent?: number): Observable<T>;

  /**
   * Sends one line. Lines sent in one go travel together.
   *
   * @param text the line, without its end: at most `limits.lineBytes` bytes of UTF-8.
   * @returns whether to go on. After `false`, wait for `drain$`: the line is on its way all the same. Once the
   * connection has ended it is always `false` and the line is not sent; `closed$` tells why.
   * @throws InvalidTextError (`INVALID_TEXT`) when the text is not one line, or is too long.
   *
   * @example
   * connection.send('Sup Bob.');
   */
  send(text: string): boolean;

  /**
   * Sends lines, as fast as the peer reads them. Cold: nothing is sent before it is subscribed to. Completes when the
   * last line has been handed to the system. Iterables and async iterables are pulled from; an Observable cannot be told
   * to wait, so its lines queue up, up to half of `limits.sendMaxBytes`.
   *
   * @param lines what is to be sent: each as `send` takes it.
   * @throws ClosedError (`CLOSED`) when the connection ends first; SendBufferFullError (`SEND_BUFFER_FULL`) when an Observable brings
   * lines faster than the peer reads; InvalidTextError (`INVALID_TEXT`) for a text that is not one line; the source's own error.
   *
   * @example
   * net.connect$(unl).pipe(mergeMap((connection) => connection.sendAll(interval(1000).pipe(map(String))))).subscribe();
   */
  sendAll(lines: ObservableInput<string>): Observable<never>;

  /** Emits when there is room again, after a `send` that returned false. Completes when the connection ends. */
  readonly drain$: Observable<void>;

  /** The way the lines travel now; replays the latest. Completes when the connection ends. */
  readonly path$: Observable<Path>;

  /**
   * The same connection as a Node stream of bytes, instead of lines: call it before `lines$` is subscribed to, at once
   * when the connection is handed over. Ending it ends the connection.
   *
   * @returns the stream, the same at each call.
   * @throws ClosedError (`CLOSED`) when lines have been read already.
   *
   * @example
   * net.connections$.subscribe((connection) => process.stdin.pipe(connection.toDuplex()).pipe(process.stdout));
   */
  toDuplex(): Duplex;

  /**
   * Why the connection ended: once, replayed, then completes.
   *
   * @example
   * connection.closed$.subscribe(({ code, by }) => console.log(`${code} by ${by}`));
   */
  readonly closed$: Observable<CloseReason>;

  /**
   * Ends the connection in order: all that was sent before arrives, and what the peer has sent so far still comes.
   */
  close(): void;
}
