import type { Socket } from 'node:net';
import {
  concat,
  defer,
  EMPTY,
  ignoreElements,
  merge,
  NEVER,
  Observable,
  of,
  Subject,
  switchMap,
  take,
  tap,
  timer,
} from 'rxjs';
import { resolveConfig } from '../config/resolve.js';
import { socketPair } from '../link/socket-pair.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import { systemRuntime, type Runtime } from '../runtime.js';
import { Closing } from './closing.js';
import { RunningNet } from './running-net.js';

/** The address of both nodes, and the ports where they would listen: nothing is sent there. */
const ADDRESS = '127.0.0.1';
const PORTS = { here: 40_001, there: 40_002 } as const;

/** Compiled code is the process's, not a net's, so that this is remembered for the process. */
let isRehearsed = false;

/**
 * Rehearses in a moment, once in a process: what is to be done at once comes first. Never emits, never fails; unsubscribed, it stops.
 *
 * @example
 * const rehearsal = rehearseOnce$().subscribe();
 */
export function rehearseOnce$(): Observable<never> {
  return defer(() => (isRehearsed ? EMPTY : timer(0))).pipe(
    switchMap(() => {
      isRehearsed = true;
      return rehearse$();
    }),
    ignoreErrors(),
  );
}

/**
 * Makes a connection between two nodes within this process, sends a line, and ends both. What runs for the first time is compiled
 * meanwhile, which takes several times as long as to run it again: the first real connection need not wait for that. Nothing of it
 * goes to the system's network. Never emits; unsubscribed, it stops.
 */
export function rehearse$(): Observable<never> {
  return new Observable<never>((subscriber) => {
    const arriving = new Subject<Socket>();
    const there = new RehearsedNet(PORTS.there, arriving, () => NEVER);
    const here = new RehearsedNet(PORTS.here, NEVER, () => {
      const [ours, theirs] = socketPair();
      arriving.next(theirs);
      return of(ours);
    });
    const said$ = defer(() => Promise.all([there.net.start(), here.net.start()])).pipe(
      switchMap(() => there.net.own$),
      take(1),
      switchMap((peer) => here.net.connect$(peer, { techniques: ['direct'] })),
      tap((connection) => connection.send('rehearsal')),
      ignoreElements(),
    );
    subscriber.add(merge(there.net.line$, said$).pipe(take(1), ignoreElements()).subscribe(subscriber));
    return () => {
      here.end();
      there.end();
    };
  });
}

/** A node that does nothing but connect, in a network of its own. */
class RehearsedNet {
  readonly net: RunningNet;
  readonly #closing = new Closing();

  constructor(port: number, socket$: Observable<Socket>, dial$: Runtime['dial$']) {
    const config = resolveConfig({
      mode: 'direct',
      bind: ADDRESS,
      portMapping: false,
      reachability: false,
      relay: false,
    });
    this.net = new RunningNet(config, this.#closing, {
      ...systemRuntime,
      dial$,
      listen$: () => concat(of({ local: { address: ADDRESS, port }, socket$ }), NEVER),
      gateway$: () => EMPTY,
      routedAddress$: () => EMPTY,
    });
  }

  /** Ends it at once: nobody waits for an orderly close. */
  end(): void {
    this.#closing.begin();
    void this.net.release(0);
  }
}
