import { catchError, defer, first, map, mergeMap, of, type Observable } from 'rxjs';
import { failureOf } from '../../errors.js';
import { createIdentity } from '../../identity.js';
import type { ServerReport } from '../../server-report.js';
import type { RelayContext } from './context.js';
import { RelayRefusedError } from './join.js';
import type { KnownRelays } from './known-relays.js';

/** Relays that are asked at once. */
const AT_ONCE = 8;

const NONE: KnownRelays = { relays: [], isWhole: true };

/** Asks each relay that is known to let this node in, as if it were to meet a peer there, and leaves again. */
export function checkRelays$({
  known$,
  join$,
  newToken,
}: Pick<RelayContext, 'known$' | 'join$' | 'newToken'>): Observable<ServerReport> {
  return defer(() => {
    const nobody = createIdentity().peerId;
    return known$.pipe(
      first(({ isWhole }) => isWhole, NONE),
      mergeMap(({ relays }) => relays),
      mergeMap(
        ({ url }) =>
          join$(url, nobody, newToken()).pipe(
            map((socket) => {
              socket.destroy();
              return undefined;
            }),
            catchError((error: unknown) => of(wordsOf(error))),
            map((failure): ServerReport => ({ kind: 'relay', server: url.href, failure })),
          ),
        AT_ONCE,
      ),
    );
  });
}

function wordsOf(error: unknown): string {
  if (!(error instanceof RelayRefusedError)) return failureOf(error, 'relay');
  const { refusal, status } = error;
  return refusal === undefined ? `has no relay (HTTP status ${status})` : `refuses: ${refusal.words}`;
}
