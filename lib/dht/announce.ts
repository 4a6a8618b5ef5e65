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
 * Nodes are looked for and announced to anew this often. NATs that forget a UDP mapping sooner than after 30 s are hardly met
 * with (RFC 4787 §4.3 wants two minutes); and of the nodes that there were some have left.
 */
const RENEW_MS = 25_000;

/** Who has just joined finds more and better neighbours soon. */
const FIRST_RENEWALS_MS: readonly number[] = [1_000, 3_000, 10_000];

/** What an announcement needs. */
interface AnnounceConfig {
  readonly node: DhtNode;
  readonly identity: Identity;
  /** Where parcels for the identity are stored. */
  readonly mailbox: Buffer;
  /** Takes each node just before it is announced to: it may push before it answers. */
  readonly neighbours: Neighbours;
  readonly runtime: Pick<Runtime, 'scheduler' | 'random' | 'newId'>;
}

/**
 * Announces this node's peer at the nodes that are closest to its mailbox, again and again, and keeps the way from them to
 * here open, for as long as it is subscribed to. Each node is given a new secret each time. Never emits, completes or fails.
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
