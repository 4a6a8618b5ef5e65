import type { SecureContext } from 'node:tls';
import { BehaviorSubject, EMPTY, map, NEVER, Observable, startWith, type SchedulerLike } from 'rxjs';
import { certificate$, type Certificate, type CertificateFiles } from './certificate-files.js';

/** The certificate that servers use now. */
export interface HeldCertificate {
  readonly context: SecureContext;
  /** The certificate in use: at once, and whenever its files have changed. */
  readonly certificate$: Observable<Certificate>;
}

/**
 * Holds the certificate of files, and another when they change, for as long as it is subscribed to. Emits once.
 *
 * @throws InvalidOptionError when the files cannot be used at first.
 *
 * @example
 * heldCertificate$({ certFile: 'fullchain.pem', keyFile: 'privkey.pem' }, asyncScheduler).subscribe(({ context }) => context);
 */
export function heldCertificate$(files: CertificateFiles, scheduler: SchedulerLike): Observable<HeldCertificate> {
  return new Observable((subscriber) => {
    let latest: BehaviorSubject<Certificate> | undefined;
    subscriber.add(
      certificate$(files, scheduler).subscribe({
        next: (certificate) => {
          if (latest !== undefined) {
            latest.next(certificate);
            return;
          }
          const held = new BehaviorSubject(certificate);
          latest = held;
          subscriber.next({
            get context() {
              return held.value.context;
            },
            certificate$: held.asObservable(),
          });
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
      }),
    );
  });
}

/** How it stands with the files of a certificate. */
export interface CertificateState {
  /** Why what they hold now cannot be used, so that what was read before is; `undefined` when all is well. */
  readonly failure: string | undefined;
}

/** The certificate of files, held as {@link heldCertificate$} does, where a server has been given any. Emits once. */
export function certificateOf$(
  files: CertificateFiles | undefined,
  scheduler: SchedulerLike,
): Observable<HeldCertificate | undefined> {
  return files === undefined ? NEVER.pipe(startWith(undefined)) : heldCertificate$(files, scheduler);
}

/** How it stands with the files of a certificate: at once, and whenever they have changed. Empty where there is none. */
export function stateOf$(certificate: HeldCertificate | undefined): Observable<CertificateState> {
  return certificate?.certificate$.pipe(map(({ failure }) => ({ failure }))) ?? EMPTY;
}
