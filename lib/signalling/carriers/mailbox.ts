import { defer, merge, of, share } from 'rxjs';
import { KEEP_MAX_MS, PARCEL_MAX_BYTES } from '../../parcel.js';
import type { Carrier, Delivery } from '../carrier.js';
import { firstDelivered } from './first-delivered.js';
import { ANSWER_MS } from './mailbox-requests.js';
import { MailboxServer, type MailboxServerConfig } from './mailbox-server.js';

/** What the carrier over mailboxes needs. */
interface MailboxCarrierConfig extends MailboxServerConfig {
  /** The URLs of mailbox servers. A message is put at all of them. */
  readonly urls: readonly URL[];
}

/**
 * Signals by way of mailboxes: HTTP servers that keep a signal until its receiver asks for it. A server brings a signal again and again
 * until it is acknowledged, across crashes of the server and of this node. Servers are asked for signals only while somebody is
 * subscribed. A server that does not answer is asked less and less often, and does not delay the others.
 *
 * A signal is put at every server, since it is not known at which of them the receiver asks. It is `delivered` as soon as one of
 * them says that the receiver is asking there. The puts at the others go on all the same, so that a fast server that lies cannot
 * suppress a signal.
 *
 * @example
 * const carrier = mailboxCarrier({ identity, urls: [new URL('http://rv.example.org:8080/')], runtime: systemRuntime });
 * carrier.parcel$.subscribe(({ bytes, acknowledge }) => { use(bytes); acknowledge(); });
 */
export function mailboxCarrier({ urls, ...config }: MailboxCarrierConfig): Carrier {
  const { timeOfDay, newId, scheduler } = config.runtime;
  const servers = urls.map((url) => new MailboxServer(url, config));
  return {
    name: 'mailbox',
    parcel$: merge(...servers.map((server) => server.parcel$())).pipe(share()),
    send$: (to, bytes, { keepMs, family }) =>
      defer(() => {
        if (bytes.length > PARCEL_MAX_BYTES) return of<Delivery>('absent');
        const [id, until] = [newId(), timeOfDay() + Math.min(keepMs, KEEP_MAX_MS)];
        const message = bytes.toString('base64url');
        const puts = servers.map((server) => server.put$({ to, id, message, until }, family));
        return firstDelivered(puts, ANSWER_MS, scheduler);
      }),
  };
}
