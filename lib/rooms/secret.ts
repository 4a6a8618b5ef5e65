import { createHash, hkdfSync, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { topicOf } from './discovery/topic.js';

/** What names a room, and guards it. */
export interface RoomKeys {
  /** By this the members find each other: 32 bytes. Who knows it can look for members. */
  readonly topic: Buffer;
  /** The name of the channels between neighbours. */
  readonly channel: string;
  /** What members prove that they know: 32 bytes. `undefined` in a room without a secret. */
  readonly code: Buffer | undefined;
}

/** Begins the names of the channels of rooms. An application's own channels cannot have such names. */
const CHANNEL_PREFIX = 'rxp2p:room/';

/** How much of a digest is in a channel's name, in bytes. */
const CHANNEL_BYTES = 16;

/** Each guess at a secret costs so much: 64 MiB of memory, and about a fifth of a second (RFC 7914 §2). */
const SCRYPT = { N: 65_536, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };

const scryptOf = promisify<string, Buffer, number, typeof SCRYPT, Buffer>(scrypt);

/** The keys of a room that is open to everybody who knows its name. */
export function openRoomKeys(name: string): RoomKeys {
  return keysOf(topicOf(name), undefined);
}

/**
 * The keys of a room with a secret. Everything is derived from name and secret together, by a function that takes long on purpose: what
 * servers see of the room lets them try secrets, but each try costs as much.
 */
export async function secretRoomKeys(name: string, secret: string): Promise<RoomKeys> {
  const key = await scryptOf(secret.normalize('NFC'), Buffer.from(`rxp2p room 1 ${name}`), 32, SCRYPT);
  const derived = (what: string) => Buffer.from(hkdfSync('sha256', key, '', `rxp2p room 1 ${what}`, 32));
  return keysOf(derived('topic'), derived('code'));
}

function keysOf(topic: Buffer, code: Buffer | undefined): RoomKeys {
  const digest = createHash('sha256').update('rxp2p room channel 1 ').update(topic).digest();
  return { topic, channel: CHANNEL_PREFIX + digest.toString('hex', 0, CHANNEL_BYTES), code };
}
