import { readFileSync } from 'node:fs';
import {
  concatMap,
  distinctUntilChanged,
  from,
  fromEvent,
  lastValueFrom,
  map,
  merge,
  noop,
  skipWhile,
  take,
  takeUntil,
  tap,
  type Observable,
  type Subscription,
} from 'rxjs';
import type { NetConfig } from '../config.js';
import type { Connection } from '../connection/connection.js';
import type { Path } from '../connection/path.js';
import { formatEndpoint, sameEndpoint } from '../endpoint.js';
import { InvalidOptionError, reasonOf } from '../errors.js';
import { lineDecoder } from '../link/lines.js';
import { loadOrCreateIdentity, type Identity } from '../identity.js';
import type { Net } from '../net/interface.js';
import type { Report } from './report.js';
import { exitSoon, stdoutEnd$ } from './stdout.js';
import { readTurn } from './turn-option.js';

/** Lines of stdin may be longer than those of a peer; sending judges them. */
const STDIN_LINE_BYTES = 64 * 1024 * 1024;

/** Printed when this machine's clock is right again. */
const AGREES = 'the clock of this machine and those of the servers agree again';

/** The options that commands which make a node share. */
export interface NodeOptions {
  readonly rendezvous?: readonly string[];
  readonly mailbox?: readonly string[];
  readonly dht?: readonly string[];
  readonly stun?: readonly string[];
  readonly mqtt?: readonly string[];
  readonly turn?: readonly string[];
  /** Relays; `false`: none. */
  readonly relay?: readonly string[] | false;
  readonly port?: number;
  readonly bind?: string;
  readonly key?: string;
  /** A file with the certificates of authorities. */
  readonly ca?: string;
  readonly json?: boolean;
}

/** Options of commands whose node can be reached by others. */
export interface ReachableOptions extends NodeOptions {
  readonly forwarded?: boolean;
  readonly portMapping?: boolean;
  readonly reachability?: readonly string[];
}

/** The options of a net that others are to reach, but for its mode. */
export function configOf(options: ReachableOptions): Omit<NetConfig, 'mode'> {
  const { rendezvous, mailbox, dht, mqtt, stun, turn, relay, port, bind, forwarded, portMapping, reachability } =
    options;
  const identity = identityOf(options);
  return {
    rendezvous,
    mailbox,
    dht,
    stun,
    mqtt,
    turn: turn?.map(readTurn),
    relay,
    port,
    bind,
    forwarded,
    portMapping,
    reachability,
    identity,
    ca: caOf(options),
  };
}

/** The certificates of authorities in the file named, if one is named. */
export function caOf({ ca }: NodeOptions): string | undefined {
  try {
    return ca === undefined ? undefined : readFileSync(ca, 'utf8');
  } catch (cause) {
    throw new InvalidOptionError(`\`--ca\` cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

/** The identity in the file named, if one is named. */
export function identityOf({ key }: NodeOptions): Identity | undefined {
  return key === undefined ? undefined : loadOrCreateIdentity(key);
}

/** Reports each technique's outcome as it comes, the steps of simultaneous opens, and the signals for them. */
export function reportAttempts(net: Net, report: Report): Subscription {
  return net.trace$.subscribe({
    next: (step) => {
      if (step.type === 'technique' && step.outcome !== 'started') {
        const { technique, outcome, reason, elapsedMs } = step;
        report('attempt', { technique, outcome, ...(reason !== undefined && { reason }), elapsedMs }, undefined);
      } else if (step.type === 'nat' || step.type === 'punch' || step.type === 'signal' || step.type === 'dht') {
        const { type, ...fields } = step;
        report(
          type,
          'elapsedMs' in fields ? { ...fields, elapsedMs: Math.round(fields.elapsedMs) } : fields,
          undefined,
        );
      }
    },
    error: noop,
  });
}

/** Reports each server that cannot be used, and why: once, when that changes, and when it can be used again. */
export function reportServers(net: Pick<Net, 'trace$'>, report: Report): Subscription {
  const failed = new Set<string>();
  return net.trace$.subscribe({
    next: (step) => {
      if (step.type !== 'server') return;
      const { kind, server, failure } = step;
      const name = `${kind} server ${server}`;
      const isBack = failure === undefined && failed.delete(name);
      if (failure !== undefined) failed.add(name);
      // While others show the NAT, a STUN server is asked again only when the network changes.
      const again = kind === 'STUN' ? '' : ', trying again';
      const words = failure === undefined ? `${name} can be reached again` : `${name} ${failure}${again}`;
      const fields = { kind, server, reachable: failure === undefined, ...(failure !== undefined && { failure }) };
      report('server', fields, isBack || failure !== undefined ? words : undefined);
    },
    error: noop,
  });
}

/** Reports that this machine's clock and those of servers are apart: once, when that changes, and when they agree again. */
export function reportClock({ status$ }: Pick<Net, 'status$'>, report: Report): Subscription {
  return status$
    .pipe(
      map(({ clock }) => clock),
      distinctUntilChanged((one, other) => one?.words === other?.words),
      skipWhile((clock) => clock === undefined),
    )
    .subscribe({
      next: (clock) => {
        const { aheadMs = 0, servers = [], isCertain = false, words = AGREES } = clock ?? {};
        report('clock', { aheadMs, servers, certain: isCertain, words }, words);
      },
      error: noop,
    });
}

/** Passes the first locator to a function, and reports each later one: a locator that was shared before may no longer work. */
export function eachUnl$(
  { unl$, peerId }: Pick<Net, 'unl$' | 'peerId'>,
  first: (unl: string) => Promise<void> | void,
  report: Report,
): Observable<unknown> {
  return unl$.pipe(
    concatMap(async (unl, index) => {
      if (index === 0) await first(unl);
      else report('unl', { unl, peerId }, `the network has changed, and with it the UNL: ${unl}`);
    }),
  );
}

/** Reports which protocol opened a port of the router, and whether others can dial this node. */
export function reportReach(net: Net, report: Report): Subscription {
  return net.trace$.subscribe({
    next: (step) => {
      if (step.type === 'port-mapping' && step.outcome !== 'started') {
        const { protocol, outcome, reason, elapsedMs } = step;
        const fields = { protocol, outcome, ...(reason !== undefined && { reason }), elapsedMs: Math.round(elapsedMs) };
        report('port-mapping', fields, undefined);
      } else if (step.type === 'reach') {
        const { family, isReachable, endpoint, mapping, isBehindAnotherNat, words, elapsedMs } = step;
        const fields = {
          family,
          reachable: isReachable ?? null,
          ...(endpoint && { endpoint: formatEndpoint(endpoint) }),
          ...(mapping && {
            protocol: mapping.protocol,
            gateway: mapping.gateway,
            internal: formatEndpoint(mapping.internal),
            external: formatEndpoint(mapping.external),
          }),
          behindAnotherNat: isBehindAnotherNat,
          elapsedMs: Math.round(elapsedMs),
          words,
        };
        report('reach', fields, words);
      }
    },
    error: noop,
  });
}

/**
 * Reports that a connection is there, each other way that its lines take later, and why it ended.
 *
 * @param elapsedMs how long it took, in milliseconds; what is reported of its ways is counted from the same start.
 */
export function reportConnection(
  { peerId, path$, closed$ }: Pick<Connection, 'peerId' | 'path$' | 'closed$'>,
  elapsedMs: number,
  report: Report,
): void {
  const start = performance.now() - elapsedMs;
  const way$ = path$.pipe(
    // Ignores new measurements of the round trip: they do not change the path.
    distinctUntilChanged(isSameWay),
    map((path, index) => ({ path, isFirst: index === 0 })),
  );
  way$.subscribe({
    next: ({ path: { technique, direct, local, remote }, isFirst }) => {
      const ms = isFirst ? elapsedMs : Math.round(performance.now() - start);
      const ends = { local: formatEndpoint(local), remote: formatEndpoint(remote) };
      const fields = { peerId, technique, direct, elapsedMs: ms, ...ends };
      const way = direct ? '' : ', relayed';
      if (isFirst) {
        report('connected', fields, `connected to ${peerId} at ${ends.remote} (${technique}${way}, ${ms} ms)`);
      } else {
        report('path', fields, `now by ${technique} at ${ends.remote} (${direct ? 'direct' : 'relayed'})`);
      }
    },
    error: noop,
  });
  closed$.subscribe({
    next: ({ code, by, message }) => {
      report('closed', { peerId, reason: code, by, message }, code === 'closed' ? message : `closed: ${message}`);
    },
    error: noop,
  });
}

function isSameWay(one: Path, other: Path): boolean {
  return (
    one.technique === other.technique &&
    one.direct === other.direct &&
    sameEndpoint(one.local, other.local) &&
    sameEndpoint(one.remote, other.remote)
  );
}

/** Starts to read stdin before its lines are needed, so that the first line is there at once. */
export function openStdin(): void {
  process.stdin.read(0);
}

/** The lines of stdin, read no faster than they are asked for. */
export async function* stdinLines(): AsyncGenerator<string> {
  const decoder = lineDecoder(STDIN_LINE_BYTES);
  const chunks: AsyncIterable<Buffer> = process.stdin;
  for await (const chunk of chunks) {
    yield* decoder.push(chunk);
    if (decoder.fault !== undefined) throw decoder.fault;
  }
  yield* decoder.end();
  if (decoder.fault !== undefined) throw decoder.fault;
}

/** Sends one line to a peer; resolves when more may be sent. */
export async function sendLine(connection: Connection, text: string): Promise<void> {
  if (!connection.send(text)) await lastValueFrom(connection.drain$.pipe(take(1)), { defaultValue: undefined });
}

/** Does something with each line of stdin, one after the other; a line that cannot be sent is reported. */
export function eachStdinLine$(send: (text: string) => unknown, report: Report): Observable<unknown> {
  const sendAll = async () => {
    for await (const text of stdinLines()) {
      try {
        await send(text);
      } catch (error) {
        report('error', { message: reasonOf(error) }, reasonOf(error));
      }
    }
  };
  return from(sendAll());
}

/** Works until the user wants an end, then closes the net. */
export async function runUntilInterrupted(net: Net, ...work: readonly Observable<unknown>[]): Promise<void> {
  const interruptions: unknown[] = [];
  const interruption$ = interrupted$().pipe(tap((signal) => interruptions.push(signal)));
  try {
    await lastValueFrom(merge(...work).pipe(takeUntil(interruption$)), { defaultValue: undefined });
  } finally {
    process.stdin.destroy();
    await net.close();
    if (interruptions.length > 0) exitSoon();
  }
}

/**
 * Emits once when the user wants the program to end: by Ctrl-C, SIGTERM, closing the terminal, or ending the reader of stdout. A
 * second signal kills the process.
 */
export function interrupted$(): Observable<unknown> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  return merge(...signals.map((signal) => fromEvent(process, signal)), stdoutEnd$).pipe(take(1));
}
