import { createIdentity, type Identity } from '../../lib/identity.js';
import { KIND, signMessage, streamOf, type AuthoredMessage } from '../../lib/rooms/author/message.js';
import type { Member } from '../../lib/rooms/machine.js';
import { herePayload } from '../../lib/rooms/presence.js';
import { openRoomKeys } from '../../lib/rooms/secret.js';
import { memberOf } from '../../lib/rooms/wire/fields.js';
import { unlOf } from '../support/locators.js';

/** The topic of an open room. */
export function topicOf(name: string): Buffer {
  return openRoomKeys(name).topic;
}

/** A member as others know it. */
export function memberOfRoom(peerId = createIdentity().peerId, port = 4_000): Member {
  return memberOf(unlOf({ peerId, nodeType: 'passive', endpoints: [{ kind: 'wan', address: '45.45.45.1', port }] }));
}

/** A message of an author, signed for the room `chess`. */
export function signedBy(
  author: Identity,
  { topic = topicOf('chess'), ...fields }: Partial<Omit<AuthoredMessage, 'author'>> & { readonly topic?: Buffer } = {},
): Buffer {
  const stream = streamOf(1_000, Buffer.of(1, 2));
  return signMessage(author, topic, {
    stream,
    number: 1,
    at: 1_000,
    kind: 0,
    payload: Buffer.from('1. e4'),
    ...fields,
  });
}

/** What a member shows of its being there. */
export function hereBy(member: Identity, fields: Parameters<typeof signedBy>[1] = {}): Buffer {
  return signedBy(member, { kind: KIND.here, number: 0, payload: herePayload(30_000), ...fields });
}
