import { readFileSync } from 'node:fs';
import { concatMap, from, fromEvent, lastValueFrom, map, merge, take, takeUntil, tap, type Observable } from 'rxjs';
import type { NetConfig } from '../config.js';
import type { Connection } from '../connection/connection.js';
import { canonicalAddress, scopeOf, withoutZone } from '../endpoint.js';
import { InvalidOptionError, reasonOf } from '../errors.js';
import { lineDecoder } from '../link/lines.js';
import { loadOrCreateIdentity, type Identity } from '../identity.js';
import type { Net } from '../net/interface.js';
import type { Report } from './report.js';
import { exitSoon, stdoutEnd$ } from './stdout.js';
import { readTurn } from './turn-option.js';

/** Lines of stdin may be longer than those of a peer; sending judges them. */
const STDIN_LINE_BYTES = 64 * 1024 * 1024;

/** The options that commands which make a node share. */
export interface NodeOptions {
  readonly rendezvous?: readonly string[];
  readonly mailbox?: readonly string[];
  readonly dht?: readonly string[];
  readonly stun?: readonly string[];
  readonly mqtt?: readonly string[];
  /** Default: see {@link lanOf}. */
  readonly lan?: boolean;
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
    lan: lanOf(options),
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

/**
 * Whether a node can be found on the local network, and finds others there. If nothing is said it can, but for one that is bound to loopback, where
 * there is no other machine.
 */
export function lanOf({ lan, bind }: NodeOptions): boolean {
  if (lan !== undefined) return lan;
  const address = canonicalAddress(withoutZone(bind ?? ''));
  const isOnLoopback = address !== undefined && scopeOf(address) === 'loopback';
  return !isOnLoopback;
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

/** What ends a program before its work is done: a signal such as Ctrl-C, or stdout, which takes no more. */
export type Interruption = 'signal' | 'stdout';

/** Works until the user wants an end, then closes the net. Resolves to what has interrupted the work; to `undefined` when it is done. */
export async function runUntilInterrupted(
  net: Net,
  ...work: readonly Observable<unknown>[]
): Promise<Interruption | undefined> {
  let interruption: Interruption | undefined;
  const interruption$ = interrupted$().pipe(
    tap((what) => {
      interruption = what;
    }),
  );
  try {
    await lastValueFrom(merge(...work).pipe(takeUntil(interruption$)), { defaultValue: undefined });
  } finally {
    process.stdin.destroy();
    await net.close();
    if (interruption !== undefined) exitSoon();
  }
  return interruption;
}

/**
 * Emits once when the user wants the program to end: by Ctrl-C, SIGTERM, closing the terminal, or ending the reader of stdout. A
 * second signal kills the process.
 */
export function interrupted$(): Observable<Interruption> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const signal$ = merge(...signals.map((signal) => fromEvent(process, signal)));
  return merge(signal$.pipe(map(() => 'signal' as const)), stdoutEnd$.pipe(map(() => 'stdout' as const))).pipe(take(1));
}
