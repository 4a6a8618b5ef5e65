import { defer, from, ignoreElements, mergeMap, repeat, timer, type Observable } from 'rxjs';
import type { Identity } from '../identity.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import type { Runtime } from '../runtime.js';
import { lookup$ } from './lookup.js';
import { announcementOf, COMMAND, encodeAnnounce } from './messages.js';
import type { Neighbours } from './neighbours.js';
import type { DhtNode } from './node.js';
import { askProven$ } from './prove.js';
import type { Found } from './walk.js';

/**
 * Nodes are looked for and announced to anew this often. Hardly any NAT forgets a UDP mapping in less than 30 s (RFC 4787 §4.3
 * asks for two minutes). Some of the previous nodes have left by then.
 */
const RENEW_MS = 25_000;

/** Soon after it has joined, a node finds more and closer neighbours. */
const FIRST_RENEWALS_MS: readonly number[] = [1_000, 3_000, 10_000];

/** What an announcement needs. */
interface AnnounceConfig {
  readonly node: DhtNode;
  readonly identity: Identity;
  /** Where parcels for the identity are stored. */
  readonly mailbox: Buffer;
  /** Called with each node just before the announcement is sent to it: the node may push a parcel before it answers. */
  readonly neighbours: Neighbours;
  readonly runtime: Pick<Runtime, 'scheduler' | 'random' | 'newId'>;
}

/**
 * While subscribed to, announces this peer to the nodes closest to its mailbox, and repeats that so that its own NAT keeps
 * letting them in. Each node is given a new secret each time. Never emits, completes or fails.
 */
export function announced$({ node, identity, mailbox, neighbours, runtime }: AnnounceConfig): Observable<never> {
  const announce$ = ({ contact, token, seenAs }: Found): Observable<never> =>
    defer(() => {
      const secret = Buffer.from(runtime.newId(), 'base64url');
      neighbours.add(contact, secret);
      return askProven$(node, contact, COMMAND.announce, { token, seenAs }, (proof) => {
        const isProvable = proof.token !== undefined && proof.seenAs !== undefined;
        const announcement = isProvable ? announcementOf(proof.token, contact.id, proof.seenAs, secret) : undefined;
        return encodeAnnounce(identity, secret, announcement);
      });
    }).pipe(ignoreElements(), ignoreErrors());
  return defer(() => lookup$({ node, target: mailbox, runtime })).pipe(
    mergeMap((found) => from(found)),
    mergeMap(announce$),
    repeat({
      delay: (count) => {
        const ms = FIRST_RENEWALS_MS[count - 1] ?? RENEW_MS;
        return timer(ms * (0.9 + runtime.random() / 10), runtime.scheduler);
      },
    }),
  );
}
