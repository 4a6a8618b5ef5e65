import {
  ignoreElements,
  lastValueFrom,
  merge,
  of,
  skip,
  skipWhile,
  switchMap,
  takeUntil,
  tap,
  throttleTime,
} from 'rxjs';
import { serve$ } from '../../servers/serve.js';
import type { CertificateFiles } from '../../servers/tls/certificate-files.js';
import { InvalidOptionError } from '../errors.js';
import { formatEndpoint, parseServer } from '../endpoint.js';
import { loadOrCreateIdentity } from '../identity.js';
import { reporter } from './report.js';
import { isPublic, nameByKey, plainWarning } from './server-names.js';
import { exitSoon, print } from './stdout.js';
import { interrupted$ } from './terminal.js';

/** The options of `rxp2p serve`. */
export interface ServeOptions {
  readonly bind?: string;
  readonly port: number;
  readonly httpPort: number;
  /** A folder in which the mailbox keeps messages. */
  readonly data?: string;
  /** The URL of a Redis that servers share. */
  readonly store?: string;
  readonly storePrefix?: string;
  /** The names by which clients know the servers. */
  readonly host?: readonly string[];
  /** Addresses and networks of proxies that are believed. */
  readonly trustProxy?: readonly string[];
  /** The file of the rendezvous server's own key. */
  readonly key?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly relay: boolean;
  readonly relaySessions?: number;
  /** Bytes of one session. */
  readonly relayBytes?: number;
  /** Bytes a second of one session. */
  readonly relayRate?: number;
  readonly dhtPort?: number;
  readonly dhtAddress?: string;
  readonly dhtBootstrap?: readonly string[];
  readonly json?: boolean;
}

/** What the relay does is told no more often than this, in milliseconds: it is for a log. */
const TELL_MS = 60_000;

/** `rxp2p serve`: runs the servers until interrupted. */
export async function serve({
  data,
  host,
  dhtBootstrap,
  tlsCert,
  tlsKey,
  key,
  json,
  ...options
}: ServeOptions): Promise<void> {
  const bootstrap = dhtBootstrap?.map((text) => parseServer('dht-bootstrap', text));
  const report = reporter(json);
  const tls = filesOf(tlsCert, tlsKey);
  const identity = key === undefined ? undefined : loadOrCreateIdentity(key);
  const config = {
    ...options,
    tls,
    identity,
    dataFolder: data,
    hosts: host,
    relayLimits: limitsOf(options),
    dhtBootstrap: bootstrap,
  };
  const serving$ = serve$(config).pipe(
    tap(({ endpoints }) => {
      for (const { name, local } of endpoints) {
        void print(`${name} ${formatEndpoint(local)}`);
        report('listening', { name, ...local }, undefined);
      }
      const local = endpoints.find(({ name }) => name === 'rendezvous')?.local;
      if (local === undefined) return;
      const name = nameByKey({ local, key: identity?.peerId, hosts: host ?? [] });
      if (name !== undefined) {
        void print(name);
        report('name', { name }, undefined);
      }
      if (isPublic({ local })) report('clear', { ...local }, plainWarning({ local }, name));
    }),
    switchMap((serving) => {
      const counters$ = serving.relayCounters$.pipe(
        throttleTime(TELL_MS, undefined, { leading: true, trailing: true }),
        tap((counters) => {
          report('relay', { ...counters }, undefined);
        }),
        ignoreElements(),
      );
      const storage$ = serving.storage$.pipe(
        skipWhile(({ isWritable }) => isWritable),
        tap(({ isWritable: writable, ...fields }) => {
          const words =
            'reason' in fields
              ? `cannot write to ${data ?? ''}: ${fields.reason}; it keeps no message until it can`
              : `writes to ${data ?? ''} again`;
          report('storage', { writable, ...fields }, `the mailbox ${words}`);
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
          report('store', { usable, ...fields }, `the store ${words}`);
        }),
        ignoreElements(),
      );
      const certificate$ = serving.certificate$.pipe(
        skip(1),
        tap(({ failure }) => {
          const words =
            failure === undefined ? 'has changed, and is used' : `cannot be used: ${failure}; the one before is`;
          report('certificate', { failure }, `the certificate in ${tlsCert ?? ''} ${words}`);
        }),
        ignoreElements(),
      );
      return merge(of(serving), counters$, storage$, store$, certificate$);
    }),
    takeUntil(interrupted$()),
  );
  await lastValueFrom(serving$, { defaultValue: undefined });
  exitSoon();
}

/** The files of the certificate, if it is given. */
function filesOf(certFile: string | undefined, keyFile: string | undefined): CertificateFiles | undefined {
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
  if (certFile === undefined && keyFile === undefined) return undefined;
  throw new InvalidOptionError(
    '`--tls-cert` and `--tls-key` go together: a certificate, and its private key. Give both',
  );
}

/** Those of the relay's limits that are given, if any is. */
function limitsOf({ relaySessions, relayBytes, relayRate }: ServeOptions) {
  const limits = {
    ...(relaySessions !== undefined && { sessions: relaySessions }),
    ...(relayBytes !== undefined && { bytesPerSession: relayBytes }),
    ...(relayRate !== undefined && { bytesPerSecond: relayRate }),
  };
  return Object.keys(limits).length === 0 ? undefined : limits;
}
