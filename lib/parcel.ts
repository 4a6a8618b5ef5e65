// The limits of a sealed signal. Every carrier and every server that keeps signals holds to these.

/** The largest sealed signal, in bytes. */
export const PARCEL_MAX_BYTES = 16 * 1024;

/** The longest time for which a signal is kept for a node that is away, in milliseconds. */
export const KEEP_MAX_MS = 600_000;
