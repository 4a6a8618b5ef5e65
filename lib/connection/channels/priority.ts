/** The priorities of a channel, in the order of their numbers on the wire. */
export const PRIORITIES = ['urgent', 'normal', 'bulk'] as const;

/**
 * A channel's share of the connection while other channels have data to send, too: of 21 frames, `urgent` channels send 16, `normal`
 * ones four, and `bulk` ones one.
 *
 * @useDeclaredType
 */
export type Priority = (typeof PRIORITIES)[number];
