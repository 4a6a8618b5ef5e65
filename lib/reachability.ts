import { defer, filter, map, take, tap, type Observable, type SchedulerLike } from 'rxjs';
import { canonicalAddress, familyOf, serverOf, type Endpoint } from './endpoint.js';
import { failureOf, HttpError } from './errors.js';
import type { Mapping } from './port-mapping/mapping.js';
import { fetch$ } from './http.js';
import type { PeerId } from './identity.js';
import type { webTls$ } from './link/web-tls.js';
import { headStart } from './operators/head-start.js';
import { ignoreErrors } from './operators/ignore-errors.js';
import { within } from './operators/within.js';
import { readingClock, type ClockReading } from './server-clock.js';
import { parseJsonObject } from './validate.js';
import { oneLine } from './words.js';

/** What a reachability server is asked. */
export interface LookConfig {
  /** Its address, such as `http://rv.example.org:8080/`; what it answers at is below that. */
  readonly server: URL;
  /** The port at which the asking node is to be dialled. */
  readonly port: number;
  /** The peer that must answer there and prove this key. Without it any program counts. */
  readonly peerId: PeerId | undefined;
  /** Over which family to ask, since the server dials the address that it sees. */
  readonly family: 4 | 6;
  /** The local address to ask from. */
  readonly localAddress: string | undefined;
  /** For the answer, in milliseconds. */
  readonly withinMs: number;
  readonly scheduler: SchedulerLike;
  /** What secures a connection to a server of `https:`. Default: the real one. */
  readonly webTls$?: typeof webTls$ | undefined;
  /** This machine's, in milliseconds since the epoch. */
  readonly timeOfDay: () => number;
  /** Is told what a server's answer says of this machine's clock. */
  readonly tellClock?: ((server: URL, reading: ClockReading) => void) | undefined;
}

/** What a reachability server saw. */
export interface Look {
  /** What the server dialled: the address that it sees, at the port that was asked for. */
  readonly endpoint: Endpoint;
  readonly isReachable: boolean;
  /** Why it is not. */
  readonly reason: string | undefined;
}

/** Whether others can dial this node by one family of addresses, and why. */
export interface Reach {
  /** The family of addresses: IPv4 or IPv6. */
  readonly family: 4 | 6;
  /** Whether everything has been tried. */
  readonly isSettled: boolean;
  /** Whether a server has dialled this node from outside; `undefined` before that was tried, and when no server can try. */
  readonly isReachable: boolean | undefined;
  /** Where others can dial this node, as far as it is known. */
  readonly endpoint: Endpoint | undefined;
  /** The port that a gateway keeps open. */
  readonly mapping: Mapping | undefined;
  /** The gateway's external address is not the one that others see: another NAT stands before it, and drops what comes. */
  readonly isBehindAnotherNat: boolean;
  /** The gateway opens a port, but nobody outside gets here by it. */
  readonly isOpenedInVain: boolean;
  /** All of it in words. */
  readonly words: string;
}

/** An answer is a line of JSON. */
const MAX_BYTES = 4_096;

/**
 * Asks a reachability server to dial back. Emits what it saw and completes.
 *
 * @throws HttpError for no answer, a refusal (too many questions), and what is no answer; TimeoutError.
 *
 * @example
 * look$({ server: new URL('http://rv.example.org:8080/'), port: 50500, ...rest }).subscribe(({ isReachable }) => console.log(isReachable));
 */
export function look$({
  server,
  port,
  peerId,
  family,
  localAddress,
  withinMs,
  scheduler,
  timeOfDay,
  webTls$,
  tellClock,
}: LookConfig): Observable<Look> {
  return defer(() => {
    const url = new URL('reachable', server);
    url.searchParams.set('port', String(port));
    if (peerId !== undefined) url.searchParams.set('peer', peerId);
    return fetch$({ url, maxBytes: MAX_BYTES, family, localAddress, webTls$ });
  }).pipe(
    within(withinMs, `${server.origin} did not answer`, scheduler),
    readingClock({ scheduler, timeOfDay }, (reading) => tellClock?.(server, reading)),
    map(({ status, text }) => {
      if (status !== 200)
        throw new HttpError(`${server.origin} refused to dial back: ${oneLine(text.trim()) || status}`);
      const look = parseLook(text, port);
      if (look === undefined || familyOf(look.endpoint.address) !== family) {
        throw new HttpError(`${server.origin} gave an unreadable answer`);
      }
      return look;
    }),
  );
}

/** What several servers are asked. */
export interface LookByAnyConfig extends Omit<LookConfig, 'server'> {
  /** Whether to use an answer; one that is not used counts as none. */
  readonly isCredible: (look: Look) => boolean;
  /** Is told of each server that was asked what is wrong with it, or nothing. */
  readonly tell?: ((server: URL, failure: string | undefined) => void) | undefined;
}

/**
 * When a server has not answered after this time, in milliseconds, the next one is asked as well: a server may take 1 s to dial,
 * and be far away.
 */
const COMPANY_MS = 1_500;

/**
 * Asks servers until one answers, the next when one has failed or takes long. Emits what it saw and completes; completes
 * alone when none does.
 */
export function lookByAny$(
  servers: readonly URL[],
  { isCredible, tell, ...config }: LookByAnyConfig,
): Observable<Look> {
  const looks = servers
    // A server named by an address of one family cannot test the other family.
    .filter((server) => {
      const address = canonicalAddress(serverOf(server).host);
      return address === undefined || familyOf(address) === config.family;
    })
    .map((server) =>
      look$({ ...config, server }).pipe(
        tap({
          next: () => tell?.(server, undefined),
          error: (error: unknown) => tell?.(server, failureOf(error, 'reachability server')),
        }),
        filter(isCredible),
      ),
    );
  return headStart(looks, COMPANY_MS, config.scheduler).pipe(take(1), ignoreErrors());
}

function parseLook(text: string, port: number): Look | undefined {
  const answer = parseJsonObject(text);
  const address = typeof answer?.['address'] === 'string' ? canonicalAddress(answer['address']) : undefined;
  const { reachable, reason } = answer ?? {};
  if (address === undefined || typeof reachable !== 'boolean') return undefined;
  const words = typeof reason === 'string' ? oneLine(reason) : undefined;
  return { endpoint: { address, port }, isReachable: reachable, reason: reachable ? undefined : words };
}
