import { X509Certificate } from 'node:crypto';
import { expectBroker, type BrokerAddress } from '../broker-name.js';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  MAX_TIMER_MS,
  PORT_MAPPING_PROTOCOLS,
  type NetConfig,
  type PortMappingProtocol,
  type ResolvedConfig,
  type TurnConfig,
} from '../config.js';
import { canonicalAddress, parseServer, withoutZone, type ServerAddress } from '../endpoint.js';
import { InvalidOptionError } from '../errors.js';
import { createIdentity } from '../identity.js';
import { formatRendezvous, parseRendezvous, servicesOf, type RendezvousAddress } from '../rendezvous-name.js';
import { parseStun, type StunAddress } from '../stun/name.js';
import { parseTurn, type TurnServer } from '../stun/turn-name.js';
import { expectInteger, expectNames, expectOneOf, invalidOption, readUrl } from '../validate.js';

const OPTIONS = [
  'mode',
  'identity',
  'bind',
  'port',
  'forwarded',
  'portMapping',
  'birthday',
  'reachability',
  'relay',
  'rendezvous',
  'ca',
  'mailbox',
  'dht',
  'stun',
  'mqtt',
  'lan',
  'turn',
  'security',
  'acceptPeer',
  'slots',
  'timing',
  'limits',
  'signal',
] satisfies (keyof NetConfig)[];

/**
 * Checks a configuration and fills in what it leaves out.
 *
 * @throws InvalidOptionError ``Expected `port` to be an integer from 0 to 65535, got `70000` ``
 */
export function resolveConfig(config: NetConfig): ResolvedConfig {
  expectNames('config', config, OPTIONS);
  expectNames('slots', config.slots, ['inbound', 'outbound']);
  const mode = expectOneOf('mode', config.mode, ['direct', 'p2p']);
  const security = expectOneOf('security', config.security ?? 'tls', ['tls', 'plain']);
  const rendezvous = expectRendezvous(config.rendezvous ?? [], security);
  const slots = mode === 'p2p' ? { inbound: 20, outbound: 10 } : { inbound: 1024, outbound: 1024 };
  return {
    mode,
    identity: config.identity ?? createIdentity(),
    bind: config.bind === undefined ? undefined : expectAddress('bind', config.bind),
    port: expectInteger('port', config.port ?? 0, 0, 65535),
    forwarded: config.forwarded ?? false,
    portMapping: expectProtocols(config.portMapping ?? true),
    birthday: config.birthday ?? true,
    reachability: expectUrlsOrNone('reachability', config.reachability ?? []),
    relay: expectUrlsOrNone('relay', config.relay ?? []),
    rendezvous,
    mailbox: config.mailbox === undefined ? mailboxesOf(rendezvous, security) : expectUrls('mailbox', config.mailbox),
    ca: config.ca === undefined ? undefined : expectCertificates(config.ca),
    dht: expectServers('dht', config.dht ?? []),
    stun: expectStun(config.stun ?? []),
    mqtt: expectBrokers(config.mqtt ?? []),
    lan: config.lan ?? false,
    turn: expectTurn(config.turn ?? []),
    security,
    provesKeys: security === 'tls',
    acceptPeer: config.acceptPeer ?? (() => true),
    slots: {
      inbound: expectInteger('slots.inbound', config.slots?.inbound ?? slots.inbound, 0, 1_000_000),
      outbound: expectInteger('slots.outbound', config.slots?.outbound ?? slots.outbound, 0, 1_000_000),
    },
    timing: withDefaults('timing', DEFAULT_TIMING, config.timing, MAX_TIMER_MS),
    limits: withDefaults('limits', DEFAULT_LIMITS, config.limits, Number.MAX_SAFE_INTEGER),
    signal: config.signal,
  };
}

function expectAddress(name: string, value: unknown): string {
  const text = typeof value === 'string' ? value : '';
  const bare = withoutZone(text);
  const address = canonicalAddress(bare);
  if (address === undefined) throw invalidOption(name, 'an IP address of this machine', value);
  // By its zone the system knows which network a link-local address is of.
  return address + text.slice(bare.length);
}

function expectServers(name: string, values: unknown): ServerAddress[] {
  return expectTexts(name, values, 'a list of HOST:PORT').map((value) => parseServer(name, value));
}

function expectStun(values: unknown): StunAddress[] {
  return expectTexts('stun', values, 'a list of HOST:PORT or stuns:HOST:PORT').map((value) => parseStun('stun', value));
}

/** What is wrong is told without what was given: that has passwords. */
function expectTurn(values: readonly (TurnConfig | null)[]): TurnServer[] {
  const wrong = () =>
    new InvalidOptionError(
      'Expected `turn` to be a list of { url, username, credential } or { url, credentials }, got something else',
    );
  if (!Array.isArray(values)) throw wrong();
  return values.map((value: TurnConfig | null): TurnServer => {
    const { url, username, credential, credentials }: Partial<TurnConfig> = value ?? {};
    if (typeof url !== 'string') throw wrong();
    const address = parseTurn('turn', url);
    if (typeof credentials === 'function') return { ...address, credentials };
    if (typeof username !== 'string' || typeof credential !== 'string') throw wrong();
    return { ...address, credentials: () => ({ username, credential }) };
  });
}

function expectRendezvous(values: unknown, security: 'tls' | 'plain'): RendezvousAddress[] {
  const expected = 'a list of wss://HOST, rxp2p://KEY@HOST:PORT or HOST:PORT';
  const servers = expectTexts('rendezvous', values, expected).map((value) => parseRendezvous('rendezvous', value));
  const secured = servers.find(({ key, url }) => key !== undefined || url !== undefined);
  if (security === 'tls' || secured === undefined) return servers;
  throw invalidOption('rendezvous', 'HOST:PORT each in plain mode, which has no TLS', formatRendezvous(secured));
}

/** Each once: a broker ends the session of a client that connects again. */
function expectBrokers(values: unknown): BrokerAddress[] {
  if (!Array.isArray(values)) throw invalidOption('mqtt', 'a list of URLs of brokers', typeof values);
  const brokers = new Map(values.map((value) => expectBroker('mqtt', value)).map((broker) => [broker.url, broker]));
  return [...brokers.values()];
}

/** The mailboxes beside servers of which everything is known by their name. */
function mailboxesOf(servers: readonly RendezvousAddress[], security: 'tls' | 'plain'): URL[] {
  return security === 'plain' ? [] : servers.flatMap((server) => servicesOf(server) ?? []);
}

function expectCertificates(value: unknown): string {
  const isPem = (text: string) => {
    try {
      return new X509Certificate(text).subject !== '';
    } catch {
      return false;
    }
  };
  if (typeof value === 'string' && isPem(value)) return value;
  throw invalidOption('ca', 'certificates of authorities, PEM', value);
}

function expectTexts(name: string, values: unknown, expected: string): readonly string[] {
  const isText = (value: unknown): value is string => typeof value === 'string';
  if (!Array.isArray(values) || !values.every(isText)) throw invalidOption(name, expected, values);
  return [...new Set(values)];
}

function expectProtocols(value: unknown): readonly PortMappingProtocol[] {
  if (typeof value === 'boolean') return value ? PORT_MAPPING_PROTOCOLS : [];
  if (!Array.isArray(value))
    throw invalidOption('portMapping', `true, false, or a list of ${PORT_MAPPING_PROTOCOLS.join(', ')}`, value);
  return value.map((name) => expectOneOf('portMapping', name, PORT_MAPPING_PROTOCOLS));
}

const URLS = 'a list of http://HOST:PORT';

function expectUrlsOrNone(name: string, values: unknown): URL[] | false {
  if (values === false) return false;
  if (!Array.isArray(values)) throw invalidOption(name, `${URLS}, or false`, values);
  return expectUrls(name, values);
}

function expectUrls(name: string, values: unknown): URL[] {
  if (!Array.isArray(values)) throw invalidOption(name, URLS, values);
  return values.map((value) => {
    const url = typeof value === 'string' ? readUrl(value) : undefined;
    const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
    if (url === undefined || !isHttp) throw invalidOption(name, URLS, value);
    // What is asked for is below it.
    if (!url.pathname.endsWith('/')) url.pathname += '/';
    return url;
  });
}

/**
 * The defaults with the user's numbers over them.
 *
 * @param most the greatest number allowed.
 * @throws InvalidOptionError for a name that is none, and a number that is no integer from 1 to `most`.
 */
export function withDefaults<T extends object>(
  group: string,
  defaults: T,
  overrides: Partial<T> | undefined,
  most: number,
): T {
  expectNames(group, overrides, Object.keys(defaults));
  for (const [name, value] of Object.entries(overrides ?? {})) {
    expectInteger(`${group}.${name}`, value, 1, most);
  }
  return { ...defaults, ...overrides };
}
