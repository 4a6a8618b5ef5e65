import {
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  of,
  repeat,
  switchMap,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { siteOf } from '../bounds/site.js';
import { peerIdToKey, SIGNATURE_LENGTH, type Identity } from '../identity.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import type { Runtime } from '../runtime.js';
import { formatUnl } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';
import type { Keeper } from './keeper.js';
import { lookup$ } from './lookup.js';
import { COMMAND, digestOf } from './messages.js';
import { Met, type MetMember } from './met.js';
import type { DhtNode } from './node.js';
import { askProven$ } from './prove.js';
import { decodeMembers, encodeJoin, membershipOf, placeOf, type NamedMember } from './topic-messages.js';
import { OWN_VOTE } from './votes.js';
import type { Found } from './walk.js';

/** Nodes are looked for, joined and asked this often: a node forgets a member after five minutes. */
const RENEW_MS = 100_000;

/** Soon after it has joined, a member finds others that came at the same time. */
const FIRST_RENEWALS_MS: readonly number[] = [1_000, 3_000, 10_000];

/** Nodes that have not answered by then are not waited for: two slow round trips around the world, since a token may be too old. */
const VISIT_MS = 1_000;

/** What meeting under a topic needs. */
interface MeetConfig {
  readonly node: DhtNode;
  readonly keeper: Pick<Keeper, 'topics'>;
  readonly identity: Identity;
  readonly runtime: Pick<Runtime, 'scheduler' | 'random' | 'newId'>;
}

/** What one round has come to. */
export interface Meeting {
  /** At how many nodes this one is listed. */
  readonly listedAt: number;
  readonly members: readonly MetMember[];
}

/**
 * While subscribed to, lists this node under a topic at the nodes closest to its place, and asks them who else is. Emits what each round has come
 * to. Never completes or fails.
 *
 * @param topic 32 bytes.
 * @param own$ this node's locator, whenever it changes; replays the latest.
 */
export function meet$(config: MeetConfig, topic: Buffer, own$: Observable<UnlV3>): Observable<Meeting> {
  const { identity, keeper, runtime } = config;
  const key = peerIdToKey(identity.peerId);
  if (key === undefined) return EMPTY;
  return own$.pipe(
    filter(({ peerId }) => peerId === identity.peerId),
    switchMap((own) =>
      round$(config, topic, Buffer.from(formatUnl(own), 'base64url'), key).pipe(
        repeat({
          delay: (count) => {
            const ms = FIRST_RENEWALS_MS[count - 1] ?? RENEW_MS;
            return timer(ms * (0.9 + runtime.random() / 10), runtime.scheduler);
          },
        }),
      ),
    ),
    finalize(() => {
      keeper.topics.leave(topic, key);
    }),
  );
}

function round$(config: MeetConfig, topic: Buffer, unl: Buffer, key: Buffer): Observable<Meeting> {
  const { node, keeper, runtime } = config;
  return defer(() => {
    // Which of the members are named depends on chance that nobody knows before: no key can be made to be always near.
    const near = digestOf(Buffer.from(runtime.newId()));
    const met = new Met();
    let listedAt = 0;
    const visit$ = (found: Found) =>
      join$(config, found, topic, near, unl).pipe(
        tap((members) => {
          listedAt++;
          met.add(siteOf(found.contact.address), members);
        }),
        ignoreElements(),
        ignoreErrors(),
      );
    const visits$ = lookup$({ node, target: placeOf(topic), runtime }).pipe(
      concatMap((all) => merge(...all.map(visit$)).pipe(takeUntil(timer(VISIT_MS, runtime.scheduler)))),
    );
    return concat(
      visits$,
      defer(() => {
        // This node may be one of the closest itself.
        if (node.id() !== undefined) {
          keeper.topics.join(topic, key, unl, node.observed()?.address);
          listedAt++;
          met.add(OWN_VOTE, keeper.topics.near(topic, near));
        }
        return of({ listedAt, members: met.all() });
      }),
    );
  });
}

/** Lists this node at another. Emits the members that it names, once it has. */
function join$(
  { node, identity }: MeetConfig,
  { contact, token, seenAs }: Found,
  topic: Buffer,
  near: Buffer,
  unl: Buffer,
): Observable<readonly NamedMember[]> {
  return askProven$(node, contact, COMMAND.join, { token, seenAs }, (proof) => {
    const isProvable = proof.token !== undefined && proof.seenAs !== undefined;
    const signature = isProvable
      ? identity.sign(membershipOf(proof.token, contact.id, proof.seenAs, topic, unl))
      : Buffer.alloc(SIGNATURE_LENGTH);
    return encodeJoin({ topic, near, signature, unl });
  }).pipe(
    map(({ error, value }) => (error === 0 ? decodeMembers(value) : undefined)),
    filter((members) => members !== undefined),
  );
}
