import {
  ignoreElements,
  lastValueFrom,
  merge,
  of,
  shareReplay,
  skip,
  skipWhile,
  switchMap,
  takeUntil,
  tap,
  throttleTime,
  timer,
  type Observable,
} from 'rxjs';
import { serve$, type Serving } from '../../servers/serve.js';
import type { ServeConfig } from '../../servers/serve/config.js';
import { connectionsOf } from '../../servers/serve/connections.js';
import { unwatched } from '../../servers/watch.js';
import { formatEndpoint } from '../endpoint.js';
import { reasonOf } from '../errors.js';
import { statusOf } from './exit-status.js';
import { createLog, logRefusals, type Log } from './log.js';
import { identityOf, serveConfigOf, ServeValues } from './serve-config.js';
import { CONFIG_VARIABLE } from './serve-options.js';
import { exposedWarning, isPublic, nameByKey, plainWarning } from './server-names.js';
import { exitSoon, print } from './stdout.js';
import { interrupted$ } from './terminal.js';

/** The options of `rxp2p serve`, by their keys: texts, lists of texts, and what switches are. */
export interface ServeFlags extends Readonly<Record<string, unknown>> {
  /** A file with options. */
  readonly config?: string;
  readonly printConfig?: boolean;
}

/** What the relay does is told no more often than this, in milliseconds: it is for a log. */
const TELL_MS = 60_000;

/**
 * `rxp2p serve`: runs the servers until interrupted. Then they are drained; a second signal ends the process.
 *
 * @param nodeVariables variables of the environment that are for commands which make a node.
 */
export async function serve(
  { config: file, printConfig, ...flags }: ServeFlags,
  nodeVariables: readonly string[] = [],
): Promise<void> {
  const { env: environment } = process;
  const values = new ServeValues({ file: file ?? environment[CONFIG_VARIABLE], environment, flags, nodeVariables });
  const config = serveConfigOf(values);
  const log = await createLog({ level: values.text('logLevel') ?? 'info', json: values.isOn('json') });
  for (const name of values.unknownVariables) {
    log('warn', 'unknown', { name }, `the environment has ${name}, which is no option: it is ignored`);
  }
  if (printConfig === true) {
    for (const line of JSON.stringify(values, undefined, 2).split('\n')) await print(line);
    return;
  }
  try {
    await run(config, values, log);
    log('info', 'ended', {}, 'ended');
    exitSoon();
  } catch (error) {
    log('fatal', 'failed', { reason: reasonOf(error) }, reasonOf(error));
    process.exitCode = statusOf(error);
  }
}

/** Runs the servers until they have been drained. */
async function run(options: ServeConfig, values: ServeValues, log: Log): Promise<void> {
  const config = { ...options, identity: identityOf(values) };
  const level = values.text('logLevel');
  const watch = level === 'debug' || level === 'trace' ? logRefusals(log, values.isOn('logAddresses')) : unwatched;
  const drainS = values.number('drain') ?? 0;
  const stop$ = interrupted$().pipe(
    tap(() => {
      log('info', 'draining', { seconds: drainS }, `draining, for at most ${drainS} s; a second signal ends at once`);
    }),
    shareReplay({ bufferSize: 1, refCount: true }),
  );
  const serving$ = serve$({ ...config, watch, drain$: stop$ }).pipe(
    tap(({ endpoints, connections }) => {
      tellWhere(endpoints, config, log);
      tellHowMany(connections, config, log);
    }),
    switchMap((serving) => merge(of(serving), ...told$(serving, values, log)).pipe(takeUntil(stop$))),
    takeUntil(stop$.pipe(switchMap(() => timer(drainS * 1_000)))),
  );
  await lastValueFrom(serving$, { defaultValue: undefined });
}

/** Tells where the servers listen, by which name nodes know them, and what of it strangers can reach. */
function tellWhere(endpoints: Serving['endpoints'], { identity, hosts = [], tls }: ServeConfig, log: Log): void {
  for (const { name, local } of endpoints) {
    void print(`${name} ${formatEndpoint(local)}`);
    log('info', 'listening', { name, ...local }, `${name} listens on ${formatEndpoint(local)}`);
    if (name === 'admin' && isPublic({ local })) log('warn', 'exposed', { ...local }, exposedWarning({ local }));
  }
  const local = endpoints.find(({ name }) => name === 'rendezvous')?.local;
  if (local === undefined) return;
  const name = nameByKey({ local, key: identity?.peerId, hosts });
  if (name !== undefined) {
    void print(name);
    log('info', 'name', { name }, `the rendezvous server is ${name}`);
  }
  if (isPublic({ local }))
    log('warn', 'clear', { ...local }, plainWarning({ local, name, isHttps: tls !== undefined }));
}

/** Tells how many connections there is room for, where the process may have fewer descriptors than its limits have connections. */
function tellHowMany(connections: Serving['connections'], config: ServeConfig, log: Log): void {
  const wanted = connectionsOf(config);
  if (connections.rendezvous === wanted.rendezvous && connections.http === wanted.http) return;
  const { rendezvous, http } = connections;
  const words = `${rendezvous} connections at the rendezvous server and ${http} by HTTP, fewer than their limits say`;
  log(
    'info',
    'descriptors',
    { ...connections },
    `the process may have so few open files that there is room for ${words}`,
  );
}

/** Logs what servers tell of themselves. */
function told$(serving: Serving, values: ServeValues, log: Log): readonly Observable<never>[] {
  const folder = values.text('data') ?? 'the store';
  const certificateFile = values.text('tlsCert') ?? '';
  const counters$ = serving.relayCounters$.pipe(
    throttleTime(TELL_MS, undefined, { leading: true, trailing: true }),
    tap((counters) => {
      const { sessions, joined, bytes } = counters;
      log('info', 'relay', { ...counters }, `relay: ${sessions} pairs now, ${joined} in all, ${bytes} bytes passed on`);
    }),
    ignoreElements(),
  );
  const storage$ = serving.storage$.pipe(
    skipWhile(({ isWritable }) => isWritable),
    tap(({ isWritable: writable, ...fields }) => {
      const words =
        'reason' in fields
          ? `cannot write to ${folder}: ${fields.reason}; it keeps no message until it can`
          : `writes to ${folder} again`;
      log(writable ? 'info' : 'error', 'storage', { writable, ...fields }, `the mailbox ${words}`);
    }),
    ignoreElements(),
  );
  const store$ = serving.store$.pipe(
    skipWhile(({ isWritable }) => isWritable),
    tap(({ isWritable: usable, ...fields }) => {
      const words =
        'reason' in fields
          ? `cannot be used: ${fields.reason}; sessions go on, and what needs it is refused`
          : 'can be used again';
      log(usable ? 'info' : 'error', 'store', { usable, ...fields }, `the store ${words}`);
    }),
    ignoreElements(),
  );
  const certificate$ = serving.certificate$.pipe(
    skip(1),
    tap(({ failure }) => {
      const words =
        failure === undefined ? 'has changed, and is used' : `cannot be used: ${failure}; the one before stays in use`;
      log(
        failure === undefined ? 'info' : 'error',
        'certificate',
        { failure },
        `the certificate in ${certificateFile} ${words}`,
      );
    }),
    ignoreElements(),
  );
  return [counters$, storage$, store$, certificate$];
}
