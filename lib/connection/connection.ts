import type { Duplex } from 'node:stream';
import type { Observable, ObservableInput } from 'rxjs';
import type { PeerId } from '../identity.js';
import type { Remote, RemoteOptions } from '../remote/interface.js';
import type { Priority } from './channels/priority.js';
import type { CloseReason } from './close-reason.js';
import type { Path } from './path.js';

/** Who made a connection: this node (`outbound`) or the peer (`inbound`). */
export type Direction = 'inbound' | 'outbound';

/** How a channel is opened. */
export interface ChannelOptions {
  /** How it is weighted against other channels of this side's that have something to send, too. Default: `normal`. */
  readonly priority?: Priority | undefined;
  /**
   * Whether it stays open for this side to send when the peer has closed its side and all that it sent has been read. Default: it
   * is then closed here, too (as Node's sockets have it).
   */
  readonly allowHalfOpen?: boolean | undefined;
}

/** How a channel is taken that the peer opens. */
export type AcceptOptions = Pick<ChannelOptions, 'allowHalfOpen'>;

/**
 * A stream in each direction between this node and a peer: of lines of text, of messages of bytes, or of bare bytes. A connection has
 * many, each with its own pace: a reader that stops holds up its own channel and no other.
 *
 * Both sides have to agree what travels on a channel: lines, messages, or bytes.
 *
 * @example
 * const chat = connection.openChannel('chat');
 * chat.lines$.subscribe(console.log);
 * chat.send('Sup Bob.');
 */
export interface Channel {
  /** The name by which it was opened; empty for the connection's own. */
  readonly name: string;

  /** The connection that it is part of. */
  readonly connection: Connection;

  /**
   * The lines from the peer, to every subscriber alike. None is lost before the first subscriber: they wait, and with
   * more than a little waiting the peer has to wait, too. Completes when no more will come; `closed$` tells why.
   */
  readonly lines$: Observable<string>;

  /**
   * Does something for each line, one at a time, and has the peer wait while it is being done, so that a slow reader needs
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
   * The messages from the peer, each as it was sent by `sendMessage`, to every subscriber alike; for the rest as `lines$`.
   * A longer one than `limits.messageBytes` ends the channel. Fails with ClosedError (`CLOSED`) when lines have been read already.
   *
   * @example
   * connection.openChannel('pictures').messages$.subscribe((bytes) => console.log(`a picture of ${bytes.length} bytes`));
   */
  readonly messages$: Observable<Buffer>;

  /**
   * Does something for each message, as `eachLine$` does for lines.
   *
   * @param project as for RxJS's `concatMap`.
   * @param concurrent how many may be under way at once. Default: 1.
   * @returns a cold Observable, which completes when the last message that will come has been dealt with.
   *
   * @example
   * connection.openChannel('pictures').eachMessage$((bytes) => appendFile('pictures', bytes)).subscribe();
   */
  eachMessage$<T>(project: (message: Buffer) => ObservableInput<T>, concurrent?: number): Observable<T>;

  /**
   * Sends one line. Lines sent in one go travel together.
   *
   * @param text the line, without its end: at most `limits.lineBytes` bytes of UTF-8.
   * @returns whether to go on. After `false`, wait for `drain$`: the line is on its way all the same. Once the
   * channel has ended it is always `false` and the line is not sent; `closed$` tells why.
   * @throws InvalidTextError (`INVALID_TEXT`) when the text is not one line, or is too long; ClosedError (`CLOSED`) on a channel that
   * messages have been sent on.
   *
   * @example
   * connection.send('Sup Bob.');
   */
  send(text: string): boolean;

  /**
   * Sends bytes as one message, which arrives as it is. Messages sent in one go travel together.
   *
   * @param message at most `limits.messageBytes` bytes, of the peer's limits, too. They must not be changed any more.
   * @returns whether to go on, as for `send`.
   * @throws InvalidMessageError (`INVALID_MESSAGE`) when it is too long, or not of bytes; ClosedError (`CLOSED`) on a channel that lines
   * or bytes have been sent on.
   *
   * @example
   * connection.openChannel('pictures').sendMessage(Uint8Array.of(0x89, 0x50, 0x4e, 0x47));
   */
  sendMessage(message: Uint8Array): boolean;

  /**
   * Sends lines, as fast as the peer reads them. Cold: nothing is sent before it is subscribed to. Completes when the
   * last line is on its way. Iterables and async iterables are pulled from; an Observable cannot be told
   * to wait, so its lines queue up, up to half of `limits.sendMaxBytes`.
   *
   * @param lines what is to be sent: each as `send` takes it.
   * @throws ClosedError (`CLOSED`) when the channel ends first; SendBufferFullError (`SEND_BUFFER_FULL`) when an Observable brings
   * lines faster than the peer reads; InvalidTextError (`INVALID_TEXT`) for a text that is not one line; the source's own error.
   *
   * @example
   * net.connect$(unl).pipe(mergeMap((connection) => connection.sendAll(interval(1000).pipe(map(String))))).subscribe();
   */
  sendAll(lines: ObservableInput<string>): Observable<never>;

  /** Emits when there is room again, after a `send` that returned false. Completes when the channel ends. */
  readonly drain$: Observable<void>;

  /**
   * The channel as a Node stream of bytes, instead of lines: call it before `lines$` is subscribed to, at once
   * when the channel is handed over. Ending it closes the channel: what the peer still sends comes nevertheless.
   * Destroying it closes the channel, too; with an error it resets it, so that the peer does not take what came for all.
   *
   * @returns the stream, the same at each call.
   * @throws ClosedError (`CLOSED`) when lines or messages have been read already.
   *
   * @example
   * net.connections$.subscribe((connection) => process.stdin.pipe(connection.toDuplex()).pipe(process.stdout));
   */
  toDuplex(): Duplex;

  /**
   * Why the channel ended: once, replayed, then completes. A channel ends with its connection at the latest.
   *
   * @example
   * connection.closed$.subscribe(({ code, by }) => console.log(`${code} by ${by}`));
   */
  readonly closed$: Observable<CloseReason>;

  /**
   * Sends nothing more: all that was sent before arrives, and what the peer sends still comes, where somebody reads it. The channel
   * has ended when both sides have closed it.
   */
  close(): void;

  /**
   * Ends the channel at once, for both sides: what was not read is lost. The peer's `closed$` has the code `reset`.
   *
   * @param resetCode a number of the application's, from 0 to 2³² − 1: the peer gets it as `resetCode`. Default: 0.
   * @param message why, in words; cut off at 128 characters.
   * @throws InvalidOptionError (`INVALID_OPTION`) for another number.
   *
   * @example
   * connection.openChannel('file').reset(404, 'there is no such file');
   */
  reset(resetCode?: number, message?: string): void;
}

/**
 * What connects this node and one peer. It is made by `net.connect$` or arrives in `net.connections$`.
 *
 * It is a channel itself, the first of those that it can have, and is over when that is closed.
 *
 * @example
 * net.connect$(unl).subscribe((connection) => {
 *   connection.lines$.subscribe(console.log);
 *   connection.send('Sup Bob.');
 * });
 */
export interface Connection extends Channel {
  /** The key that the peer proved. On a plain link nothing is proven, and this is `plain:` with the peer's endpoint. */
  readonly peerId: PeerId;
  /** `outbound` when this node dialled. */
  readonly direction: Direction;

  /** The way the bytes travel now; replays the latest. Completes when the connection ends. */
  readonly path$: Observable<Path>;

  /**
   * Opens a channel. It can be used at once; where nobody on the other side takes channels of this name, it ends with the code
   * `refused`.
   *
   * @param name of at most 256 bytes of UTF-8; any number of channels may have the same.
   * @returns the channel. On a connection that has ended or that this side has closed, it has ended, too.
   * @throws InvalidOptionError (`INVALID_OPTION`) for a name that is too long; TooManyChannelsError (`TOO_MANY_CHANNELS`) when
   * `limits.channels` are open, or the peer has yet to answer 256; UnavailableError (`UNAVAILABLE`) on a plain connection, which
   * is one stream of lines.
   *
   * @example
   * const chat = connection.openChannel('chat', { priority: 'urgent' });
   * chat.send('Sup Bob.');
   */
  openChannel(name: string, options?: ChannelOptions): Channel;

  /**
   * The channels that the peer opens by a name on this connection, while subscribed. To be subscribed to when the connection is handed
   * over, or the first may be refused; `net.channels$` takes those of all connections.
   *
   * @param name the name, as the peer opens it.
   *
   * @example
   * connection.channels$('chat').subscribe((channel) => channel.lines$.subscribe(console.log));
   */
  channels$(name: string, options?: AcceptOptions): Observable<Channel>;

  /**
   * An object that the peer exposes by a name (`net.expose`), with a method for each of its: each returns a cold Observable, every
   * subscription calls the peer's method anew, and unsubscribing ends it there. It can be used at once; nothing is sent before a
   * subscription.
   *
   * Its Observables fail with RemoteError (`REMOTE`) when the method does; RemoteRefusedError (`REMOTE_REFUSED`) when it is not called;
   * InvalidMessageError (`INVALID_MESSAGE`) when the arguments cannot be sent; TooManyChannelsError (`TOO_MANY_CHANNELS`) when too
   * many are under way; ClosedError (`CLOSED`) when the connection ends before they complete.
   *
   * @typeParam T what the peer exposes, as an interface.
   * @param name as the peer exposes it: at most 200 bytes of UTF-8.
   * @throws InvalidOptionError (`INVALID_OPTION`) for another name; UnavailableError (`UNAVAILABLE`) on a plain connection.
   *
   * @example
   * interface Market { prices(symbol: string): Observable<number> }
   * const price$ = connection.remote<Market>('market').prices('ACME').pipe(take(5));
   * price$.subscribe({ next: console.log, error: console.error });
   */
  remote<T>(name: string, options?: RemoteOptions): Remote<T>;

  /**
   * Ends the connection in order: all that was sent on any of its channels arrives, and what the peer has sent so far still comes.
   */
  close(): void;
}
