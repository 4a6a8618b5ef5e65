import { defer, finalize, noop, shareReplay, switchMap, take, tap, type Observable } from 'rxjs';
import type { Connection } from '../connection/connection.js';
import { ConnectError, InvalidUnlError, reasonOf } from '../errors.js';
import { createNet } from '../net.js';
import type { ConnectOptions, Net } from '../net/interface.js';
import { TECHNIQUE_NAMES } from '../techniques/technique.js';
import { parseUnl } from '../unl.js';
import type { Unl } from '../unl/types.js';
import { expectOneOf } from '../validate.js';
import { oneLine } from '../words.js';
import { expectCode, isCode, peerOf$, type Peer } from './by-code.js';
import { doingOf } from './files/ways.js';
import { meetingPlaces } from './meeting-places.js';
import { reportConnection, reportNode } from './node-report.js';
import type { Report } from './report.js';
import { caOf, identityOf, lanOf, type NodeOptions } from './terminal.js';
import { readTurn } from './turn-option.js';
import { waitAloud } from './waiting.js';

/** The options of commands whose node dials one peer. */
export interface DialOptions extends NodeOptions {
  readonly technique?: readonly string[];
  /** Seconds. */
  readonly timeout: number;
}

/** A node that dials one peer. */
export interface Dialler {
  readonly net: Net;
  /** Whom it dials: a code leads there once, and then it is known. */
  readonly peer$: Observable<Peer>;
  /** How it connects. */
  readonly options: ConnectOptions;
  /** Cold: connects to the peer, and reports how that comes about. */
  readonly connect$: Observable<Connection>;
  /** The same; where it takes long, it is told in words what is being done. */
  readonly connectAloud$: Observable<Connection>;
}

/**
 * Makes a node that dials one peer, by the servers that the options name, else by those in the peer's locator.
 *
 * @param text the peer's locator, or a code that it shows.
 * @throws InvalidUnlError for a text that is no locator; InvalidOptionError for a code or an option that is none.
 */
export function diallerOf(text: string, options: DialOptions, report: Report): Dialler {
  const techniques = options.technique?.map((name) => expectOneOf('--technique', name, TECHNIQUE_NAMES));
  const { bind, relay, stun, timeout, turn } = options;
  const net = createNet({
    mode: 'direct',
    ...placesFor(text, options),
    lan: lanOf(options),
    relay,
    stun,
    turn: turn?.map(readTurn),
    bind,
    identity: identityOf(options),
    ca: caOf(options),
    // This node only dials: nobody has to reach it from outside.
    portMapping: false,
    reachability: false,
  });
  reportNode(net, report);
  const peer$ = peerOf$(net, text, report).pipe(shareReplay({ bufferSize: 1, refCount: true }));
  const connectOptions = { techniques, timeoutMs: timeout * 1000 };
  let doing = 'looking at the network';
  const connect$ = defer(() => {
    let start = 0;
    return net.unl$.pipe(
      // Where this node is itself decides which of the peer's endpoints are near.
      take(1),
      switchMap(() => {
        if (isCode(text)) doing = 'looking for the peer that shows this code';
        return peer$;
      }),
      switchMap(({ unl, peerId }) => {
        start = Date.now();
        doing = 'connecting to the peer';
        // Who keeps a key is let in by it somewhere: by `expose --allow`.
        const words = options.key === undefined ? undefined : `this node's peer id is ${net.peerId}`;
        report('connecting', { peerId, self: net.peerId }, words);
        return net.connect$(unl, connectOptions);
      }),
      tap((connection) => {
        reportConnection(connection, Date.now() - start, report);
      }),
    );
  });
  const connectAloud$ = defer(() => {
    doing = 'looking at the network';
    const watching = net.trace$.subscribe({
      next: (step) => {
        if (step.type === 'technique' && step.outcome === 'started') doing = doingOf(step.technique);
      },
      error: noop,
    });
    return connect$.pipe(
      waitAloud((seconds) => {
        // Programs are told by `connecting` and `attempt`.
        if (options.json !== true) report('waiting', {}, `still ${doing} (${seconds} s)`);
      }),
      finalize(() => {
        watching.unsubscribe();
      }),
    );
  });
  return { net, peer$, options: connectOptions, connect$, connectAloud$ };
}

/** A code names no servers. */
function placesFor(text: string, options: DialOptions): ReturnType<typeof meetingPlaces> {
  if (!isCode(text)) return meetingPlaces(options, readUnl(text));
  expectCode(text, options);
  const { rendezvous, mailbox, dht, mqtt } = options;
  return { rendezvous, mailbox, dht, mqtt };
}

/** No locator is as short as this; codes are. */
const SHORT_LENGTH = 40;

/** Reads a locator. Where somebody has typed so little that a code is meant more likely, the error says what else could stand there. */
function readUnl(text: string): Unl {
  try {
    return parseUnl(text);
  } catch (cause) {
    if (!(cause instanceof InvalidUnlError) || text === '' || text.length > SHORT_LENGTH) throw cause;
    throw new InvalidUnlError(
      `Expected a code such as 7-otter-violet, or the long text that the peer's command has printed, got \`${oneLine(text)}\``,
      { cause },
    );
  }
}

/** Reports why no connection could be made: of each technique, and of each server that could have carried a signal. */
export function reportFailure(error: unknown, report: Report): void {
  const attempts = error instanceof ConnectError ? error.attempts : [];
  const reasons = attempts.map(({ technique, reason }) => `\n  ${technique}: ${reason}`).join('');
  const unreachable = error instanceof ConnectError ? error.unreachable : [];
  const servers = unreachable.map((words) => `\n  no signal could be sent: ${words}`).join('');
  const words = attempts.length > 0 ? `no connection could be made${reasons}${servers}` : reasonOf(error);
  report('failed', { reason: reasonOf(error) }, `rxp2p: ${words}`);
}
