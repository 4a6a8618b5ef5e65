import type { Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import type { Channel } from '../signalling/channel.js';
import { dhtChannel } from '../signalling/dht.js';
import { mailboxChannel } from '../signalling/mailbox.js';
import { rendezvousChannel } from '../signalling/rendezvous.js';
import type { Trace } from '../trace.js';

/** What carries a node's signals, the fastest first. */
export function channelsOf(
  { identity, bind, rendezvous, mailbox, dht, security }: ResolvedConfig,
  sessions$: Observable<readonly RendezvousSession[]>,
  runtime: Runtime,
  trace: Trace,
): readonly Channel[] {
  // Nobody is proven on plain links, so that there is no key to sign a signal with.
  if (security === 'plain') return [];
  return [
    ...(rendezvous.length > 0 ? [rendezvousChannel({ sessions$, runtime })] : []),
    ...(dht.length > 0 ? [dhtChannel({ identity, bootstrap: dht, bind, runtime, trace })] : []),
    ...(mailbox.length > 0 ? [mailboxChannel({ identity, urls: mailbox, localAddress: bind, runtime, trace })] : []),
  ];
}
