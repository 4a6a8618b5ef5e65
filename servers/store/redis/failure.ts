import { reasonOf, StoreError, UnavailableError } from '../../../lib/errors.js';

/** The code with which Redis begins an answer that is an error: `MOVED`, `NOSCRIPT`. */
export function redisCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  return /^[A-Z]+/.exec(error.message)?.[0];
}

/** Whether another node has the slot that was asked for, or the cluster cannot say now which: to be asked anew. */
export function isElsewhere(error: unknown): boolean {
  return ['MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN'].includes(redisCodeOf(error) ?? '');
}

/** Whether an answer has not come in time. */
export function isLate(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}

/** What the client says of a connection that is no more. */
const LOST = ["Stream isn't writeable", 'Connection is closed', 'Reached the max retries'];

/** What went wrong with the store, as callers are told. */
export function storeFailure(where: string, error: unknown): StoreError | UnavailableError {
  if (error instanceof StoreError || error instanceof UnavailableError) return error;
  const reason = reasonOf(error);
  if (LOST.some((words) => reason.startsWith(words))) {
    return new StoreError(`The store cannot be reached (${where}: the connection is lost)`, { cause: error });
  }
  return new StoreError(`The store at ${where} cannot be used: ${reason}`, { cause: error });
}

/** Redis has answered what no Redis would: another program is there, or has changed what is kept. */
export function notAsked(what: string): StoreError {
  return new StoreError(
    `The store has answered ${what} with something else. Does another program use the same prefix?`,
  );
}
