import { from, isObservable, type InteropObservable, type Observable } from 'rxjs';
import type { Failure } from './format.js';

/** Whether a source is an iterable or an async iterable, which gives values when it is asked. */
export function isPullable(source: unknown): source is Iterable<unknown> | AsyncIterable<unknown> {
  return (
    typeof source === 'object' &&
    source !== null &&
    !isObservable(source) &&
    (Symbol.asyncIterator in source || Symbol.iterator in source)
  );
}

/** Whether a source is a Promise, be it another library's. */
export function isPromise(source: unknown): source is PromiseLike<unknown> {
  return (
    typeof source === 'object' &&
    source !== null &&
    !isObservable(source) &&
    'then' in source &&
    typeof source.then === 'function'
  );
}

/** @throws TypeError for a value that cannot become an Observable. */
export function observableOf(source: unknown): Observable<unknown> {
  if (isObservable(source)) return source;
  if (isInteroperable(source)) return from(source);
  throw new TypeError('Expected the method to return an Observable, a Promise, an iterable or an async iterable');
}

/** Another library's Observable. */
function isInteroperable(source: unknown): source is InteropObservable<unknown> {
  return typeof source === 'object' && source !== null && Symbol.observable in source;
}

/** Ends what an iterator holds. Its `return` may throw at once. */
export async function leave(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<void> {
  await iterator.return?.();
}

/** What the caller learns of an error: never its stack, which is this side's secret. */
export function failureOf(error: unknown): Failure {
  try {
    if (!(error instanceof Error)) return { kind: 'error', name: 'Error', message: String(error) };
    const code = 'code' in error ? error.code : undefined;
    const hasCode = typeof code === 'string' || typeof code === 'number';
    const { name, message }: { readonly name: unknown; readonly message: unknown } = error;
    return { kind: 'error', name: String(name), message: String(message), ...(hasCode && { code }) };
  } catch {
    // Anything can be thrown, even a value that cannot become a string.
    return { kind: 'error', name: 'Error', message: 'an error that cannot be put into words' };
  }
}
