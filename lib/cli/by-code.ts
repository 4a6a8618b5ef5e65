import { catchError, concatMap, defer, EMPTY, filter, of, repeat, tap, type Observable } from 'rxjs';
import { InvalidOptionError, PairingError, reasonOf } from '../errors.js';
import type { Net } from '../net/interface.js';
import { parseCode } from '../pairing/code.js';
import type { PairedPeer } from '../pairing/messages.js';
import { parseUnl, peerNameOf } from '../unl.js';
import type { Report } from './report.js';
import { print } from './stdout.js';
import { lanOf } from './terminal.js';

/** Whom to reach. */
export interface Peer {
  readonly unl: string;
  /** The peer id; of a node of PyP2P's its node id. */
  readonly peerId: string;
}

/** By what a node meets another that knows nothing but a code. */
export interface MeetingByCode {
  readonly rendezvous?: readonly string[];
  readonly bind?: string;
  readonly lan?: boolean;
}

/** Whether a text is meant for a code: it begins with a number, and goes on with a word. No locator does. */
export function isCode(text: string): boolean {
  return /^\s*\d{1,6}[\s-]+[a-z]/i.test(text);
}

/**
 * Checks a code before anything is done with it.
 *
 * @throws InvalidOptionError for a text that is none, and where there is no server to meet at.
 */
export function expectCode(text: string, options: MeetingByCode): void {
  parseCode(text);
  expectPlace(options);
}

/** Who a text leads to: the node of a locator, or the one that shows a code. */
export function peerOf$(net: Pick<Net, 'pair$'>, text: string, report: Report): Observable<Peer> {
  return defer(() => {
    if (!isCode(text)) return of({ unl: text, peerId: peerNameOf(parseUnl(text)) });
    report('pairing', {}, 'looking for the peer that shows this code');
    return net.pair$({ code: text }).pipe(
      tap(({ peerId }) => {
        report('paired', { peerId }, `met ${peerId} by the code`);
      }),
    );
  });
}

/** How a code is shown. */
export interface ShownCodeConfig {
  /** What the peer is to run, before the code. */
  readonly command: string;
  /** The servers of this node: the peer is to name them, too. */
  readonly servers: readonly string[] | undefined;
  readonly report: Report;
  /** Whether the code is a line of stdout, too. */
  readonly isPrinted?: boolean | undefined;
}

/**
 * Shows a code, and emits who has typed it. Where nobody has in its time, another one is shown, and the wrong tries of all are
 * counted together, so that nobody can guess for longer. Where it was closed after wrong tries, or no server has room for it, that is told,
 * and it completes.
 */
export function shownCode$(
  net: Pick<Net, 'invite$'>,
  { command, servers = [], report, isPrinted = false }: ShownCodeConfig,
): Observable<PairedPeer> {
  return defer(() => {
    let isOver = false;
    let wrongTries = 0;
    return defer(() => net.invite$({ wrongTries })).pipe(
      concatMap(async (step) => {
        if (step.step === 'paired') {
          isOver = true;
          const { peer } = step;
          report('paired', { peerId: peer.peerId }, `${peer.peerId} has typed the code`);
          return peer;
        }
        const { code, expiresAt } = step;
        if (isPrinted) await print(code);
        const words =
          servers.length > 0
            ? `for the peer, once: ${command} ${code} --rendezvous ${inShell(servers.join(','))}`
            : `for the peer, once, on this local network: ${command} ${code}`;
        report('code', { code, expiresAt: expiresAt.toISOString() }, words);
        return undefined;
      }),
      filter((peer) => peer !== undefined),
      catchError((error: unknown) => {
        if (!(error instanceof PairingError)) throw error;
        isOver = error.code !== 'CODE_EXPIRED';
        ({ wrongTries } = error);
        report('code-closed', { reason: reasonOf(error), code: error.code }, reasonOf(error));
        return EMPTY;
      }),
      repeat({ delay: () => (isOver ? EMPTY : of(undefined)) }),
    );
  });
}

/** A word as it is typed: a shell takes brackets, as those of IPv6 addresses, for a pattern. */
function inShell(word: string): string {
  return /^[\w.,:@/-]*$/.test(word) ? word : `'${word}'`;
}

/** Whether two nodes can meet by a code: at a server, or on the local network. */
export function hasPlace({ rendezvous = [], ...options }: MeetingByCode): boolean {
  return rendezvous.length > 0 || lanOf(options);
}

/** @throws InvalidOptionError where two nodes cannot meet by a code. */
export function expectPlace(options: MeetingByCode): void {
  if (!hasPlace(options))
    throw new InvalidOptionError(
      'Two nodes meet by a code at a rendezvous server, or on one local network: name a server that both use, by --rendezvous or RXP2P_RENDEZVOUS, or leave out --no-lan',
    );
}
