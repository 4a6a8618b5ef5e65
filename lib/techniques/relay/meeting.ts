import { Observable } from 'rxjs';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import { RelayedStream } from './relayed-stream.js';

/**
 * A meeting with a peer at a relay, as one side has it. The TLS handshake begins at once: what each side says first goes with the signals by which
 * the two agree on a relay, so that it is over by the time they are there.
 */
export interface Meeting extends Pick<RelayedStream, 'first$' | 'met$' | 'hear' | 'over$'> {
  /**
   * Does the TLS handshake, in which the peer proves its key. Emits the link once it is done and a relay has let this node in, and completes. Has
   * no time limit of its own.
   */
  readonly link$: Observable<Link>;
}

/** Meets a peer. */
export type Meet = (
  role: 'client' | 'server',
  peerId: PeerId,
  run: (meeting: Meeting) => Observable<Link>,
) => Observable<Link>;

/**
 * How a node meets peers at relays: mirrors a run. Once it has emitted a link, it goes on until it ends by itself or the link is closed, also when
 * nobody listens any more: the peer may still come to another relay. When it fails, so does the link.
 *
 * @param secure$ does the TLS handshake on a stream. Emits when that is done and the stream's ends are known.
 */
export function meetBy(
  secure$: (stream: RelayedStream, role: 'client' | 'server', peerId: PeerId) => Observable<Link>,
): Meet {
  return (role, peerId, run) =>
    new Observable((subscriber) => {
      const stream = new RelayedStream();
      const { first$, met$ } = stream;
      let isHandedOver = false;
      const running = run({
        first$,
        met$,
        hear: (first) => {
          stream.hear(first);
        },
        over$: (socket) => stream.over$(socket),
        link$: secure$(stream, role, peerId),
      }).subscribe({
        next: (link) => {
          isHandedOver = true;
          subscriber.next(link);
        },
        error: (error: unknown) => {
          subscriber.error(error);
          stream.destroy(error instanceof Error ? error : undefined);
        },
        complete: () => {
          subscriber.complete();
        },
      });
      stream.once('close', () => {
        running.unsubscribe();
      });
      return () => {
        if (isHandedOver) return;
        running.unsubscribe();
        stream.destroy();
      };
    });
}
