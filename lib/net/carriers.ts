import type { Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { Lan } from '../lan/lan.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import type { Carrier } from '../signalling/carrier.js';
import { dhtCarrier, type DhtCarrier } from '../signalling/carriers/dht.js';
import { lanCarrier } from '../signalling/carriers/lan.js';
import { mailboxCarrier } from '../signalling/carriers/mailbox.js';
import { mqttCarrier } from '../signalling/carriers/mqtt.js';
import { rendezvousCarrier } from '../signalling/carriers/rendezvous.js';
import type { SignalTrace } from '../signalling/steps.js';

/** The DHT, where a node has been told of nodes to begin with. */
export function dhtOf(
  { identity, bind, dht, provesKeys }: ResolvedConfig,
  runtime: Runtime,
  trace: SignalTrace,
): DhtCarrier | undefined {
  return provesKeys && dht.length > 0 ? dhtCarrier({ identity, bootstrap: dht, bind, runtime, trace }) : undefined;
}

/**
 * What carries a node's signals, the fastest first; behind all that see a sender's address those that do not. The local network comes last: whether a
 * peer is there it knows only after two seconds, and most peers are not.
 */
export function carriersOf(
  { identity, bind, rendezvous, mailbox, mqtt, provesKeys }: ResolvedConfig,
  sessions$: Observable<readonly RendezvousSession[]>,
  { lan, dht }: { readonly lan: Lan | undefined; readonly dht: DhtCarrier | undefined },
  runtime: Runtime,
  trace: SignalTrace,
): readonly Carrier[] {
  // A signal is signed by a key, and sealed to one.
  if (!provesKeys) return [];
  return [
    ...(rendezvous.length > 0 ? [rendezvousCarrier({ sessions$, runtime })] : []),
    ...(dht === undefined ? [] : [dht]),
    ...(mailbox.length > 0 ? [mailboxCarrier({ identity, urls: mailbox, localAddress: bind, runtime, trace })] : []),
    ...(mqtt.length > 0 ? [mqttCarrier({ identity, brokers: mqtt, localAddress: bind, runtime, trace })] : []),
    ...(lan === undefined ? [] : [lanCarrier(lan)]),
  ];
}
