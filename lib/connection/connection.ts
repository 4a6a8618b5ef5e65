import type { Duplex } from 'node:stream';
import type { Observable, ObservableInput } from 'rxjs';
import type { PeerId } from '../identity.js';
import type { Remote, RemoteOptions } from '../remote/interface.js';
import type { Priority } from './channels/priority.js';
import type { CloseReason } from './close-reason.js';
import type { Path } from './path.js';

/** Who made a connection: this node (`outbound`) or the peer (`inbound`). */
export type Direction = 'inbound' | 'outbound';

/** Options for opening a channel. */
export interface ChannelOptions {
  /** Its share of the connection while other channels of this side have data to send, too. Default: `normal`. */
  readonly priority?: Priority | undefined;
  /**
   * Whether this side may go on sending after the peer has closed its side and everything it sent has been read. By default this
   * side is closed then, too, as with Node's sockets.
   */
  readonly allowHalfOpen?: boolean | undefined;
}

/** Options for accepting a channel that the peer opens. */
export type AcceptOptions = Pick<ChannelOptions, 'allowHalfOpen'>;

/**
 * Two streams between this node and a peer, one in each direction, of lines, of binary messages, or of bytes. A connection can have
 * many channels with flow control of their own: a reader that stops delays its own channel and no other.
 *
 * Both sides have to agree on what a channel carries: lines, messages, or bytes.
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
   * The lines from the peer; each subscriber gets all of them. Lines that come before the first subscriber wait, and when many wait,
   * the peer has to stop sending. Completes when no more will come; `closed$` tells why.
   */
  readonly lines$: Observable<string>;

  /**
   * Does something for each line, one at a time. The peer waits meanwhile, so that lines do not pile up in memory. Emits what the inner
   * Observables emit, and fails when one of them does.
   *
   * @param project as for RxJS's `concatMap`.
   * @param concurrent how many lines may be worked on at once. Default: 1.
   * @returns a cold Observable, which completes when the last line has been worked on.
   *
   * @example
   * connection.eachLine$((text) => appendFile('log', text + '\n')).subscribe();
   */
  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent?: number): Observable<T>;

  /**
   * The messages from the peer, each as it was given to `sendMessage`. For subscribers it is like `lines$`. A message longer than
   * `limits.messageBytes` ends the channel. Fails with ClosedError (`CLOSED`) when lines have been read already.
   *
   * @example
   * connection.openChannel('pictures').messages$.subscribe((bytes) => console.log(`a picture of ${bytes.length} bytes`));
   */
  readonly messages$: Observable<Buffer>;

  /**
   * Does something for each message, as `eachLine$` does for lines.
   *
   * @param project as for RxJS's `concatMap`.
   * @param concurrent how many messages may be worked on at once. Default: 1.
   * @returns a cold Observable, which completes when the last message has been worked on.
   *
   * @example
   * connection.openChannel('pictures').eachMessage$((bytes) => appendFile('pictures', bytes)).subscribe();
   */
  eachMessage$<T>(project: (message: Buffer) => ObservableInput<T>, concurrent?: number): Observable<T>;

  /**
   * Sends one line. Lines sent in one run of JavaScript travel together.
   *
   * @param text the line, without its line end: at most `limits.lineBytes` bytes of UTF-8.
   * @returns whether to go on. After `false`, wait for `drain$`; the line is sent all the same. Once the
   * channel has ended it is always `false` and the line is not sent; `closed$` tells why.
   * @throws InvalidTextError (`INVALID_TEXT`) when the text is not one line, or is too long; ClosedError (`CLOSED`) on a channel on
   * which messages have been sent.
   *
   * @example
   * connection.send('Sup Bob.');
   */
  send(text: string): boolean;

  /**
   * Sends bytes as one message. Messages sent in one run of JavaScript travel together.
   *
   * @param message at most `limits.messageBytes` bytes, by the peer's limits as well as this node's. They may be changed as soon as this returns.
   * @returns whether to go on, as for `send`.
   * @throws InvalidMessageError (`INVALID_MESSAGE`) when it is too long, or not a `Uint8Array`; ClosedError (`CLOSED`) on a channel on
   * which lines or bytes have been sent.
   *
   * @example
   * connection.openChannel('pictures').sendMessage(Uint8Array.of(0x89, 0x50, 0x4e, 0x47));
   */
  sendMessage(message: Uint8Array): boolean;

  /**
   * Sends lines, as fast as the peer reads them. Cold: nothing is sent before you subscribe. Completes when the last line has been
   * sent. An iterable or async iterable is asked for a line when there is room for it; an Observable cannot be told to wait, so its
   * lines queue up, up to half of `limits.sendMaxBytes`.
   *
   * @param lines the lines, each as for `send`.
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
   * The channel as a Node stream of bytes, instead of lines: call it as soon as you get the channel, and before you subscribe to
   * `lines$`. Ending the stream closes the channel; what the peer still sends can be read all the same.
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
   * Closes this side of the channel: everything sent before arrives, and what the peer still sends can be read, until the last reader
   * leaves. The channel has ended when both sides have closed it.
   */
  close(): void;

  /**
   * Ends the channel at once, for both sides; unread data are lost. The peer's `closed$` has the code `reset`.
   *
   * @param resetCode a number of your choice, from 0 to 2³² − 1; the peer gets it as `resetCode`. Default: 0.
   * @param message why, in words; cut off after 128 characters.
   * @throws InvalidOptionError (`INVALID_OPTION`) for another number.
   *
   * @example
   * connection.openChannel('file').reset(404, 'there is no such file');
   */
  reset(resetCode?: number, message?: string): void;
}

/**
 * A connection between this node and a peer. `net.connect$` makes one; those that peers make arrive in `net.connections$`.
 *
 * It is itself a channel, the first of its channels. It ends when that is closed.
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

  /** The path that the bytes take now; replays the latest. Completes when the connection ends. */
  readonly path$: Observable<Path>;

  /**
   * Opens a channel. You can use it at once. If the peer does not accept channels of this name, it ends with the code `refused`.
   *
   * @param name at most 256 bytes of UTF-8. Several channels may have the same name.
   * @returns the channel. On a connection that has ended or that this side has closed, the channel has ended, too.
   * @throws InvalidOptionError (`INVALID_OPTION`) for a name that is too long; TooManyChannelsError (`TOO_MANY_CHANNELS`) when
   * `limits.channels` are open, or the peer has yet to answer 256 (wait for `channelRoom$`); UnavailableError (`UNAVAILABLE`) on a plain connection, which
   * is one stream of lines.
   *
   * @example
   * const chat = connection.openChannel('chat', { priority: 'urgent' });
   * chat.send('Sup Bob.');
   */
  openChannel(name: string, options?: ChannelOptions): Channel;

  /**
   * Emits when a channel can be opened again, after `openChannel` has thrown TooManyChannelsError. Completes when the connection ends.
   *
   * @example
   * const opened$ = defer(() => of(connection.openChannel('chat'))).pipe(retry({ delay: () => connection.channelRoom$ }));
   */
  readonly channelRoom$: Observable<void>;

  /**
   * The channels that the peer opens by this name, while subscribed. Subscribe as soon as you get the connection, or the first ones may
   * be refused. `net.channels$` accepts those of all connections.
   *
   * @param name the name, as the peer opens it.
   *
   * @example
   * connection.channels$('chat').subscribe((channel) => channel.lines$.subscribe(console.log));
   */
  channels$(name: string, options?: AcceptOptions): Observable<Channel>;

  /**
   * The object that the peer exposes by a name (`net.expose`). Each of its methods returns a cold Observable: every subscription calls
   * the peer's method again, and unsubscribing ends that call at the peer. Nothing is sent before a subscription.
   *
   * The Observables fail with RemoteError (`REMOTE`) when the method does; RemoteRefusedError (`REMOTE_REFUSED`) when the peer refuses
   * or stops the call; InvalidMessageError (`INVALID_MESSAGE`) when the arguments cannot be sent; TooManyChannelsError
   * (`TOO_MANY_CHANNELS`) when too many calls wait for their turn; ClosedError (`CLOSED`) when the connection ends before they complete.
   *
   * @typeParam T the interface of the exposed object.
   * @param name the name by which the peer exposes it: at most 200 bytes of UTF-8.
   * @throws InvalidOptionError (`INVALID_OPTION`) for a longer name; UnavailableError (`UNAVAILABLE`) on a plain connection.
   *
   * @example
   * interface Market { prices(symbol: string): Observable<number> }
   * const price$ = connection.remote<Market>('market').prices('ACME').pipe(take(5));
   * price$.subscribe({ next: console.log, error: console.error });
   */
  remote<T>(name: string, options?: RemoteOptions): Remote<T>;

  /**
   * Ends the connection in order: everything sent on any of its channels arrives, and so does what the peer has sent so far.
   */
  close(): void;
}
