import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import {
  catchError,
  concat,
  debounceTime,
  defer,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  from,
  interval,
  map,
  merge,
  Observable,
  of,
  type SchedulerLike,
} from 'rxjs';
import { InvalidOptionError, reasonOf } from '../../lib/errors.js';

/** The files of a server's certificate, as authorities and their programs write them. */
export interface CertificateFiles {
  /** The certificate and those that lead from it to its authority, PEM. */
  readonly certFile: string;
  /** Its private key, PEM. */
  readonly keyFile: string;
}

/** The certificate that a server uses. */
export interface Certificate {
  /** What was read last and can be used. */
  readonly context: SecureContext;
  /** Why what was read since then cannot be used; `undefined` when all is well. */
  readonly failure: string | undefined;
}

/** The files are looked at this often, in milliseconds: not every file system tells of changes. */
const LOOK_MS = 60_000;

/** After a change more is likely to come, since there are two files: they are read when it has been quiet for this long, in milliseconds. */
const SETTLE_MS = 500;

interface Read {
  readonly pem: string | undefined;
  readonly context: SecureContext | undefined;
  readonly failure: string | undefined;
}

/**
 * Reads the files of a certificate, and reads them anew when they change. Emits the certificate, and another whenever they have changed;
 * what cannot be used is told, and does not replace what is in use. Never completes.
 *
 * @throws InvalidOptionError when the files cannot be used at first.
 *
 * @example
 * certificate$({ certFile: 'fullchain.pem', keyFile: 'privkey.pem' }, asyncScheduler).subscribe(console.log);
 */
export function certificate$(files: CertificateFiles, scheduler: SchedulerLike): Observable<Certificate> {
  const folders = new Set([files.certFile, files.keyFile].map((file) => dirname(file)));
  const looks$ = merge(
    merge(...[...folders].map(changes$)).pipe(debounceTime(SETTLE_MS, scheduler)),
    interval(LOOK_MS, scheduler),
  );
  return defer(() => {
    let context: SecureContext | undefined;
    return concat(of(undefined), looks$).pipe(
      exhaustMap(() => from(read(files))),
      distinctUntilChanged((before, after) => before.pem === after.pem && before.failure === after.failure),
      map((found) => {
        context = found.context ?? context;
        if (context !== undefined) return { context, failure: found.failure };
        throw new InvalidOptionError(`The files of the certificate cannot be used: ${found.failure ?? ''}`);
      }),
    );
  });
}

async function read({ certFile, keyFile }: CertificateFiles): Promise<Read> {
  try {
    const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
    return { pem: cert + key, context: createSecureContext({ cert, key }), failure: undefined };
  } catch (error) {
    return { pem: undefined, context: undefined, failure: reasonOf(error) };
  }
}

/** Emits when something in a folder changes: files are often replaced by others, so that watching a file itself would not do. */
function changes$(folder: string): Observable<void> {
  return new Observable<void>((subscriber) => {
    const watcher = watch(folder, { persistent: false }, () => {
      subscriber.next();
    });
    watcher.on('error', (error) => {
      subscriber.error(error);
    });
    return () => {
      watcher.close();
    };
  }).pipe(catchError(() => EMPTY));
}
