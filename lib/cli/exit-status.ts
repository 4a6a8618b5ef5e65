import { InvalidOptionError, InvalidUnlError } from '../errors.js';

/** The program was asked wrongly. */
export const WRONG_USAGE = 2;

/** There is a way, but no direct one. */
export const BY_RELAY_ONLY = 3;

/** The exit status of a program that ends by an error: 2 when it was asked wrongly, 1 when it did not work. */
export function statusOf(error: unknown): number {
  return error instanceof InvalidOptionError || error instanceof InvalidUnlError ? WRONG_USAGE : 1;
}
