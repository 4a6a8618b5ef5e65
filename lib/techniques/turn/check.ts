import { catchError, from, map, mergeMap, of, take, type Observable } from 'rxjs';
import { failureOf } from '../../errors.js';
import type { ServerReport } from '../../server-report.js';
import { formatTurn } from '../../stun/turn-name.js';
import type { TurnContext } from './context.js';
import { TurnRefusedError } from './session.js';

/** Servers that are asked at once. */
const AT_ONCE = 8;

/** The server has no addresses of this family (RFC 8656 §19). */
const NO_FAMILY = 440;

/** Has each TURN server of this node's listen, and gives that back at once. */
export function checkTurns$({
  servers,
  allocate$,
}: Pick<TurnContext, 'servers' | 'allocate$'>): Observable<ServerReport> {
  return from(servers).pipe(
    mergeMap(
      (server) =>
        allocate$(server, 4).pipe(
          catchError((error: unknown) => {
            if (!(error instanceof TurnRefusedError) || error.refusal !== NO_FAMILY) throw error;
            return allocate$(server, 6);
          }),
          take(1),
          map(() => undefined),
          catchError((error: unknown) =>
            of(
              error instanceof TurnRefusedError
                ? `refuses (${error.refusal}): ${error.words}`
                : failureOf(error, 'TURN server'),
            ),
          ),
          map((failure): ServerReport => ({ kind: 'TURN', server: formatTurn(server), failure })),
        ),
      AT_ONCE,
    ),
  );
}
