import { Observable, type SchedulerLike } from 'rxjs';
import { ProtocolError, TimeoutError } from '../errors.js';
import { within } from '../operators/within.js';
import { isId, parseJsonObject } from '../validate.js';
import { clean } from '../words.js';
import type { FramedLink } from './framed-link.js';
import { FRAME } from './frames.js';

/** The first frame in each direction: which connection this link belongs to. */
export interface Hello {
  /** Chosen at random by the side that began the connection. */
  readonly connection: string;
  /** The attempt of the other side that this link answers; `undefined` when it answers none. */
  readonly attempt?: string | undefined;
  /** If both sides have the connection already: how much of the other side's stream has arrived, in bytes. */
  readonly received?: number | undefined;
  /** If the sender has no working link any more: the number of the choice whose link it has lost. */
  readonly lost?: number | undefined;
}

/** The last frame in each direction. */
export interface End {
  readonly code: string;
  readonly message: string;
  /** The application's own code, where it has ended the connection at once. */
  readonly resetCode?: number | undefined;
}

/** The application's own code is below this. */
export const MAX_RESET_CODE = 2 ** 32;

const CONNECTION_ID = /^[A-Za-z0-9_-]{22}$/;
const CODE = /^[a-z-]{1,64}$/;
const MAX_MESSAGE_LENGTH = 512;

/** Writes a hello's payload. */
export function encodeHello({ connection, attempt, received, lost }: Hello): Buffer {
  return Buffer.from(JSON.stringify({ connection, attempt, received, lost }));
}

/**
 * Reads a hello's payload. Unknown fields are ignored: newer versions may have them.
 *
 * @throws ProtocolError
 */
export function decodeHello(payload: Buffer): Hello {
  const { connection, attempt, received, lost } = parseJsonObject(payload.toString('utf8')) ?? {};
  if (typeof connection !== 'string' || !CONNECTION_ID.test(connection)) {
    throw new ProtocolError('Expected a hello with the id of a connection, got something else');
  }
  return {
    connection,
    ...(isId(attempt) && { attempt }),
    ...(isCount(received) && { received }),
    ...(isCount(lost) && { lost }),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Writes an end's payload. */
export function encodeEnd({ code, message, resetCode }: End): Buffer {
  return Buffer.from(JSON.stringify({ code, message: message.slice(0, MAX_MESSAGE_LENGTH), resetCode }));
}

/** Reads an end's payload. Fields that cannot be read are left out: a malformed end is still an end. */
export function decodeEnd(payload: Buffer): End {
  const { code, message, resetCode } = parseJsonObject(payload.toString('utf8')) ?? {};
  return {
    code: typeof code === 'string' && CODE.test(code) ? code : 'closed',
    message: typeof message === 'string' ? clean(message.slice(0, MAX_MESSAGE_LENGTH)) : 'closed by the peer',
    ...(isCount(resetCode) && resetCode < MAX_RESET_CODE && { resetCode }),
  };
}

/**
 * Waits for the hello on a new framed link, and then stops reading, so that the next frames are left for the link's owner. On a failure,
 * or when unsubscribed from before the hello, it destroys the framed link.
 *
 * @throws ProtocolError when another frame comes first; TimeoutError when none comes.
 */
export function readHello$(framed: FramedLink, timeoutMs: number, scheduler: SchedulerLike): Observable<Hello> {
  return new Observable<Hello>((subscriber) => {
    let handedOver = false;
    framed.attach({
      frame: ({ type, payload }) => {
        if (type !== FRAME.hello) {
          subscriber.error(new ProtocolError(`Expected a hello first, got a frame of type ${type}`));
          return;
        }
        try {
          const hello = decodeHello(payload);
          framed.setFlowing(false);
          handedOver = true;
          subscriber.next(hello);
          subscriber.complete();
        } catch (error) {
          subscriber.error(error);
        }
      },
      heard: () => undefined,
      written: () => undefined,
      closed: (error) => {
        subscriber.error(error ?? new ProtocolError('The peer proved its key and went away without a hello'));
      },
    });
    framed.setFlowing(true);
    return () => {
      if (!handedOver) framed.destroy();
    };
  }).pipe(
    within(
      timeoutMs,
      () => new TimeoutError(`The peer proved its key and then said nothing for ${timeoutMs} ms`),
      scheduler,
    ),
  );
}
