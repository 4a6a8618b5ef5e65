import type { Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import type { Channel } from '../signalling/channel.js';
import { mailboxChannel } from '../signalling/mailbox.js';
import { rendezvousChannel } from '../signalling/rendezvous.js';

/** What carries a node's signals, the fastest first. */
export function channelsOf(
  { identity, bind, rendezvous, mailbox, security }: ResolvedConfig,
  sessions$: Observable<readonly RendezvousSession[]>,
  runtime: Runtime,
): readonly Channel[] {
  // Nobody is proven on plain links, so that there is no key to sign a signal with.
  if (security === 'plain') return [];
  return [
    ...(rendezvous.length > 0 ? [rendezvousChannel({ sessions$, runtime })] : []),
    ...(mailbox.length > 0 ? [mailboxChannel({ identity, urls: mailbox, localAddress: bind, runtime })] : []),
  ];
}
