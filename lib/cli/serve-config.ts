import type { AdminConfig } from '../../servers/admin/server.js';
import { DEFAULT_LIMITS } from '../../servers/limits.js';
import type { ServeConfig } from '../../servers/serve/config.js';
import { parseRedisUrl } from '../../servers/store/redis/url.js';
import type { CertificateFiles } from '../../servers/tls/certificate-files.js';
import { formatServer, parseServer } from '../endpoint.js';
import { InvalidOptionError } from '../errors.js';
import { loadOrCreateIdentity, type Identity } from '../identity.js';
import { expectInteger } from '../validate.js';
import { readConfigFile, unknownVariables } from './config-file.js';
import {
  CONFIG_VARIABLE,
  ENVIRONMENT_PREFIX,
  environmentNameOf,
  keyOf,
  SERVE_OPTIONS,
  type ServeOption,
} from './serve-options.js';
import { checkValue, parseValue, withLimits, type Limits, type Value } from './serve-values.js';

/** Where values come from, in rising order, over the defaults. */
interface Sources {
  /** The file of `--config`. */
  readonly file?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Those of the command line, by key: texts, lists of texts, and what switches are. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** Variables that nodes have a use for. */
  readonly nodeVariables?: readonly string[];
}

/** All options, `limit` first: an option for one limit, such as `relay-sessions`, overrides it where both are given in one place. */
const IN_ORDER = SERVE_OPTIONS.toSorted(
  (one, other) => Number(other.kind === 'limits') - Number(one.kind === 'limits'),
);

/** The values of all options that have one, by their keys in a file. */
export class ServeValues {
  /** Variables of the environment that are named like those of options and are none: mistyped, probably. */
  readonly unknownVariables: readonly string[];
  readonly #values = new Map<string, Value>();
  #limits: Limits = {};

  /**
   * Puts the sources together. Limits are put together one by one.
   *
   * @throws InvalidOptionError for a file that cannot be read, a key that is none, and a value that is not what was expected.
   */
  constructor({ file, environment, flags, nodeVariables = [] }: Sources) {
    const fromFile = file === undefined ? {} : readConfigFile(file, SERVE_OPTIONS.map(keyOf));
    const sources: readonly ((option: ServeOption) => Value | undefined)[] = [
      (option) => option.default,
      (option) => fromJson(option, fromFile),
      (option) => fromEnvironment(option, environment),
      (option) => fromFlag(option, flags[keyOf(option)]),
    ];
    for (const read of sources) {
      for (const option of IN_ORDER) {
        const value = read(option);
        if (value !== undefined) this.#set(option, value);
      }
    }
    const known = [CONFIG_VARIABLE, ...nodeVariables, ...SERVE_OPTIONS.map(environmentNameOf)];
    this.unknownVariables = unknownVariables(environment, ENVIRONMENT_PREFIX, known);
  }

  text(key: string): string | undefined {
    const value = this.#values.get(key);
    return typeof value === 'string' ? value : undefined;
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.#values.get(key);
    return Array.isArray(value) ? value : undefined;
  }

  number(key: string): number | undefined {
    const value = this.#values.get(key);
    return typeof value === 'number' ? value : undefined;
  }

  isOn(key: string): boolean {
    return this.#values.get(key) === true;
  }

  #set(option: ServeOption, value: Value): void {
    if (isLimits(value)) {
      this.#limits = withLimits(this.#limits, value);
    } else if (option.limit !== undefined && typeof value === 'number') {
      const [server, name] = option.limit;
      this.#limits = withLimits(this.#limits, { [server]: { [name]: value } });
    } else {
      this.#values.set(keyOf(option), value);
    }
  }

  /** The limits of a server that are not the defaults; `undefined` when there are none. */
  limitsOf(server: keyof typeof DEFAULT_LIMITS): Readonly<Record<string, number>> | undefined {
    const defaults: Readonly<Record<string, number>> = { ...DEFAULT_LIMITS[server] };
    const changed = Object.entries(this.#limits[server] ?? {}).filter(([name, value]) => defaults[name] !== value);
    return changed.length === 0 ? undefined : Object.fromEntries(changed);
  }

  /**
   * The options that result, as a file of `--config` has them, without secrets. Limits that have no number, since any is allowed, are
   * left out.
   */
  toJSON(): Readonly<Record<string, unknown>> {
    const keys = SERVE_OPTIONS.map(keyOf).filter((key) => this.#values.has(key));
    const values: Record<string, unknown> = Object.fromEntries(keys.map((key) => [key, this.#values.get(key)]));
    const store = this.text('store');
    if (store !== undefined) values['store'] = withoutPassword(store);
    const limit = Object.entries(DEFAULT_LIMITS).map(([server, defaults]): [string, object] => {
      const all = Object.entries({ ...defaults, ...this.#limits[server] });
      return [server, Object.fromEntries(all.filter(([, value]) => Number.isFinite(value)))];
    });
    return { ...values, limit: Object.fromEntries(limit) };
  }
}

/** What servers are told by options, but for their key. Touches nothing. */
export function serveConfigOf(values: ServeValues): ServeConfig {
  const admin = adminAt(values.text('admin'));
  if (admin === undefined && values.texts('adminHost') !== undefined) {
    throw new InvalidOptionError('`--admin-host` is of no use without `--admin`. Leave it out, or give both');
  }
  return {
    bind: values.text('bind'),
    port: values.number('port'),
    httpPort: values.number('httpPort'),
    dataFolder: values.text('data'),
    store: values.text('store'),
    storePrefix: values.text('storePrefix'),
    hosts: values.texts('host'),
    trustProxy: values.texts('trustProxy'),
    tls: filesOf(values.text('tlsCert'), values.text('tlsKey')),
    relay: values.isOn('relay'),
    dhtPort: values.number('dhtPort'),
    dhtAddress: values.text('dhtAddress'),
    dhtBootstrap: values.texts('dhtBootstrap')?.map((text) => parseServer('dht-bootstrap', text)),
    limits: values.limitsOf('rendezvous'),
    mailboxLimits: values.limitsOf('mailbox'),
    relayLimits: values.limitsOf('relay'),
    reachabilityLimits: values.limitsOf('reachability'),
    httpLimits: values.limitsOf('http'),
    dhtLimits: values.limitsOf('dht'),
    admin: admin && { ...admin, hosts: values.texts('adminHost'), showAddresses: values.isOn('logAddresses') },
  };
}

/** Reads HOST:PORT, or a port alone, which is on loopback. */
function adminAt(text: string | undefined): Pick<AdminConfig, 'bind' | 'port'> | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text)) return { bind: '127.0.0.1', port: expectInteger('admin', Number(text), 0, 65535) };
  const { host, port } = parseServer('admin', text);
  return { bind: host, port };
}

/** The server's own key, if it is to have one: made and saved when there is none. */
export function identityOf(values: ServeValues): Identity | undefined {
  const file = values.text('key');
  return file === undefined ? undefined : loadOrCreateIdentity(file);
}

/** The files of the certificate, if it is given. */
function filesOf(certFile: string | undefined, keyFile: string | undefined): CertificateFiles | undefined {
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
  if (certFile === undefined && keyFile === undefined) return undefined;
  throw new InvalidOptionError(
    '`--tls-cert` and `--tls-key` go together: a certificate, and its private key. Give both',
  );
}

function fromJson(option: ServeOption, values: Readonly<Record<string, unknown>>): Value | undefined {
  const key = keyOf(option);
  return key in values ? checkValue(option, values[key], key, DEFAULT_LIMITS) : undefined;
}

/** A variable that is empty is taken for one that is not set. */
function fromEnvironment(option: ServeOption, environment: Sources['environment']): Value | undefined {
  const variable = environmentNameOf(option);
  const text = environment[variable] ?? '';
  return text === '' ? undefined : parseValue(option, text, variable, DEFAULT_LIMITS);
}

function fromFlag(option: ServeOption, given: unknown): Value | undefined {
  if (typeof given === 'boolean') return given;
  const texts = [given].flat().filter((text) => typeof text === 'string');
  const [first, ...others] = texts.map((text) => parseValue(option, text, `--${option.name}`, DEFAULT_LIMITS));
  if (first === undefined || others.length === 0) return first;
  const all = [first, ...others];
  return option.kind === 'limits' ? all.filter(isLimits).reduce(withLimits) : all.filter(isTexts).flat();
}

function isTexts(value: Value): value is readonly string[] {
  return Array.isArray(value);
}

function isLimits(value: Value): value is Limits {
  return typeof value === 'object' && !isTexts(value);
}

/** The URL of a Redis without the password in it. */
function withoutPassword(store: string): string {
  const { nodes, isEncrypted, username, database } = parseRedisUrl(store);
  const user = username === undefined ? '' : `${encodeURIComponent(username)}@`;
  const hosts = nodes.map(formatServer).join(',');
  return `${isEncrypted ? 'rediss' : 'redis'}://${user}${hosts}${database === 0 ? '' : `/${database}`}`;
}
