// The packages that are loaded only by programs that use them, all here. Node remembers an import that failed and never tries it again
// in that process. One that ran out of descriptors for a moment would be without the package for good, so a node loads what
// it will need when it starts (lib/net/preload.ts).
import type { createLogUpdate } from 'log-update';
import type { ClassicLevel } from 'classic-level';
import type DHT from 'dht-rpc';
import type peer from 'dht-rpc/lib/peer.js';
import type { AbstractConnector, Redis } from 'ioredis';
import type { generate, parser, writeToStream } from 'mqtt-packet';
import type natUpnp from 'nat-upnp';
import type { pino } from 'pino';
import type promClient from 'prom-client';
import { UnavailableError } from './errors.js';

/** The packages that may be missing, and what is used of them. */
interface OptionalPackages {
  readonly 'classic-level': { readonly ClassicLevel: typeof ClassicLevel };
  readonly 'dht-rpc': { readonly default: typeof DHT };
  readonly 'dht-rpc/lib/peer.js': { readonly default: typeof peer };
  readonly 'log-update': { readonly createLogUpdate: typeof createLogUpdate };
  readonly ioredis: { readonly Redis: typeof Redis; readonly AbstractConnector: typeof AbstractConnector };
  readonly 'mqtt-packet': MqttCodec & { readonly writeToStream: typeof writeToStream };
  readonly 'nat-upnp': { readonly default: typeof natUpnp };
  readonly pino: { readonly pino: typeof pino };
  readonly 'prom-client': { readonly default: typeof promClient };
}

/** What is used of the codec of MQTT. */
export interface MqttCodec {
  readonly generate: typeof generate;
  readonly parser: typeof parser;
}

/** Asks by HTTP. */
export async function loadNodeFetch() {
  return (await import('node-fetch')).default;
}

/**
 * Searches for UPnP gateways and chooses among their services.
 *
 * @throws UnavailableError when the package is not installed.
 */
export async function loadNatUpnp() {
  return (await optional('nat-upnp')).default;
}

/** Speaks WebSocket. */
export async function loadWs() {
  return import('ws');
}

/**
 * Writes logs, for `rxp2p serve`.
 *
 * @throws UnavailableError when the package is not installed.
 */
export async function loadPino() {
  return (await optional('pino')).pino;
}

/**
 * Writes metrics in the text format of Prometheus, for servers that are watched.
 *
 * @throws UnavailableError when the package is not installed.
 */
export async function loadPromClient() {
  return (await optional('prom-client')).default;
}

/** Speaks NAT-PMP. */
export async function loadNatPmp() {
  return (await import('nat-pmp')).default;
}

/**
 * Draws over what it has drawn before, on a terminal.
 *
 * @throws UnavailableError when the package is not installed.
 */
export async function loadLogUpdate() {
  return optional('log-update');
}

/** Draws QR codes. */
export async function loadUqr() {
  return import('uqr');
}

/** Asks the system for its default route. */
export async function loadDefaultGateway() {
  return import('default-gateway');
}

/**
 * A Kademlia DHT. It has native parts.
 *
 * @throws UnavailableError when the package is not installed, and on Bun and Deno.
 */
export async function loadDhtRpc() {
  const { bun, deno } = process.versions;
  if (bun !== undefined || deno !== undefined) {
    // They would not fail: they end the whole process when they load udx-native, of which dht-rpc is made.
    throw new UnavailableError(
      `The DHT is not available on ${bun === undefined ? 'Deno' : 'Bun'}: dht-rpc needs functions of libuv that only Node has. ` +
        'Use a rendezvous server or a mailbox, or run the program by Node.',
    );
  }
  const [{ default: DHT }, { default: peer }] = await Promise.all([
    optional('dht-rpc'),
    optional('dht-rpc/lib/peer.js'),
  ]);
  return { DHT, peer };
}

/**
 * The codec of MQTT, by the authors of the package mqtt, which stands on it.
 *
 * @throws UnavailableError when the package is not installed.
 */
export async function loadMqttPacket(): Promise<MqttCodec> {
  const codec = await optional('mqtt-packet');
  // It would make 65,536 buffers in advance, one for each number of two bytes.
  codec.writeToStream.cacheNumbers = false;
  return codec;
}

/**
 * LevelDB, for servers that keep something. It has native parts.
 *
 * @throws UnavailableError when the package is not installed.
 */
export async function loadClassicLevel() {
  return (await optional('classic-level')).ClassicLevel;
}

/**
 * A client of Redis, for servers that share a store.
 *
 * @throws UnavailableError when the package is not installed.
 */
export async function loadIoredis() {
  return optional('ioredis');
}

/**
 * Imports a package that may be missing. Bundlers find only imports whose name is a literal. They leave this one to the runtime,
 * so an application can be bundled without the package, and nat-upnp, which is no strict code, stays out of the bundle.
 */
async function optional<Name extends keyof OptionalPackages>(name: Name): Promise<OptionalPackages[Name]> {
  const specifier: string = name;
  try {
    // What a literal's type would be is said in OptionalPackages.
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)) as OptionalPackages[Name];
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    const [missing = specifier] = specifier.split('/');
    throw new UnavailableError(`The package ${missing} is not installed: npm install ${missing}`, { cause });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
}
