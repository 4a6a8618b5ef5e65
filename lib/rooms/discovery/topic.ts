import { createHash } from 'node:crypto';

/**
 * The topic under which the members of an open room find each other: SHA-256 of a label and the name. Whoever knows the name knows the
 * topic. Pure.
 *
 * @param name any text.
 *
 * @example
 * topicOf('chess-club').length; // 32
 */
export function topicOf(name: string): Buffer {
  return createHash('sha256').update('rxp2p room 1 ').update(name, 'utf8').digest();
}
