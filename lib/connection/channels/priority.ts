/** How a channel's share of the connection is weighted against others that have something to send, too. */
export const PRIORITIES = ['urgent', 'normal', 'bulk'] as const;

/**
 * How a channel's share of the connection is weighted against others that have something to send, too: of 21 frames an `urgent` one
 * sends 16, a `normal` one four, and a `bulk` one one.
 *
 * @useDeclaredType
 */
export type Priority = (typeof PRIORITIES)[number];
