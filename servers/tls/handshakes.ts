import type { Socket } from 'node:net';
import { noop, type SchedulerLike } from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';
import { SecuredSocket, type SecuredSocketConfig } from './secured-socket.js';

/** How a connection is secured. */
interface HandshakeConfig extends SecuredSocketConfig {
  /** The site that it is counted by. */
  readonly site: string;
}

/** A handshake takes two round trips; after this long it is given up, in milliseconds. */
const HANDSHAKE_MS = 10_000;

/** Handshakes at the same time. With as many, a newcomer takes the place of the newest of the site that has most. */
const UNDER_WAY = { most: 1_024, mostOfSite: 64 };

/** The first byte of a TLS connection: the content type of a handshake record (RFC 8446 §5.1). */
export const TLS_HANDSHAKE = 0x16;

/**
 * TLS handshakes of a server, bounded in number and in time, so that callers that do not go on with theirs keep nobody else out.
 */
export class Handshakes {
  readonly #underWay: Admission<() => void>;

  /** @param most how many there are at the same time, if that is to be fewer than usual. */
  constructor(
    readonly scheduler: SchedulerLike,
    most = UNDER_WAY.most,
  ) {
    this.#underWay = new Admission({ ...UNDER_WAY, most: Math.min(most, UNDER_WAY.most) });
  }

  /**
   * Secures a connection, and calls back with the stream; not when the handshake fails, takes too long or there is no room for it: then the
   * connection is closed.
   */
  secure(socket: Socket, { site, ...config }: HandshakeConfig, next: (stream: SecuredSocket) => void): void {
    const drop = () => socket.destroy();
    const { isIn, gaveWay } = this.#underWay.admit(site, drop);
    gaveWay?.();
    if (!isIn) {
      drop();
      return;
    }
    const stream = new SecuredSocket(socket, config);
    stream.on('error', noop);
    const late = this.scheduler.schedule(drop, HANDSHAKE_MS);
    const finish = () => {
      late.unsubscribe();
      this.#underWay.leave(site, drop);
      stream.off('close', fail).off('error', fail).off('_tlsError', fail);
      socket.off('close', fail);
    };
    const fail = () => {
      finish();
      // The stream first: Node 20 crashes where its socket is destroyed before it while it is being read.
      stream.destroy();
      socket.destroy();
    };
    stream.once('close', fail).once('error', fail).once('_tlsError', fail);
    socket.once('close', fail);
    stream.once('secure', () => {
      finish();
      next(stream);
    });
  }
}
