import { createHmac } from 'node:crypto';
import { FILES_CHANNEL } from '../../files/transfer.js';
import type { Identity } from '../../identity.js';
import { unguessable } from '../../unguessable.js';

/** Between the locator and the secret of a ticket: locators have no dots. */
const DOT = '.';

/** Whom to reach, and by which channel. */
export interface Ticket {
  readonly unl: string;
  /** The name of the channel. */
  readonly channel: string;
}

/** So long is a secret, in bytes: nobody guesses it. */
const SECRET_BYTES = 16;

/**
 * A secret of a side that waits, which stands in the name of its channel: a peer that only knows where the node is, such as one that scans
 * addresses, cannot open it. It is new each time, but for a node that keeps its key: so that the same ticket is good after a restart.
 */
export function secretChannel(identity: Identity | undefined): {
  readonly channel: string;
  readonly ticketOf: (unl: string) => string;
} {
  const secret =
    identity === undefined
      ? unguessable(SECRET_BYTES)()
      : createHmac('sha256', identity.privateKey)
          .update('rxp2p: ticket of files')
          .digest()
          .subarray(0, SECRET_BYTES)
          .toString('base64url');
  return { channel: channelOf(secret), ticketOf: (unl) => `${unl}${DOT}${secret}` };
}

const channelOf = (secret: string): string => `${FILES_CHANNEL} ${secret}`;

/** Reads what `rxp2p send` or `receive` has printed, or a bare locator. */
export function readTicket(text: string): Ticket {
  const [unl = '', secret] = text.trim().split(DOT, 2);
  return { unl, channel: secret === undefined ? FILES_CHANNEL : channelOf(secret.slice(0, 64)) };
}
