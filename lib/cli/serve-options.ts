// The options of `rxp2p serve`, each once: flags and --help, names in the environment and in the file of --config, and the table in
// docs/command-line.md are made of it.

/** What the value of an option is. */
type OptionKind =
  /** `true` or `false`; the flag has no value. */
  | 'switch'
  | 'integer'
  | 'text'
  /** Several texts: the flag is given several times, the environment has commas between them, the file a list. */
  | 'texts'
  /** `SERVER.NAME=N`, several of them; in the file an object of objects. */
  | 'limits';

/** An option of `rxp2p serve`. */
export interface ServeOption {
  /** Its flag, without the dashes. */
  readonly name: string;
  readonly kind: OptionKind;
  /** One letter for it. */
  readonly short?: string;
  /** What stands for its value in --help. */
  readonly value?: string;
  readonly help: string;
  /** Of an integer. */
  readonly least?: number;
  /** Of an integer. */
  readonly most?: number;
  /** Of a text: what it has to be. */
  readonly choices?: readonly string[];
  readonly default?: boolean | number | string;
  /** What goes for the default, in words. */
  readonly otherwise?: string;
  /** There may be a password in it, so that no message shows it. */
  readonly isSecret?: boolean;
  /** Of an integer that is one of the limits of `--limit`: which. */
  readonly limit?: readonly [server: string, name: string];
}

const MOST = 1e15 - 1;

/** In seconds. */
const DAY = 86_400;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export const SERVE_OPTIONS: readonly ServeOption[] = [
  { name: 'bind', kind: 'text', short: 'b', value: 'ADDR', help: 'the local address to listen on', otherwise: 'all' },
  {
    name: 'port',
    kind: 'integer',
    short: 'p',
    value: 'N',
    help: 'the TCP port of the rendezvous server',
    least: 0,
    most: 65535,
    default: 8000,
  },
  {
    name: 'http-port',
    kind: 'integer',
    value: 'N',
    help: 'the port of the HTTP services',
    least: 0,
    most: 65535,
    default: 8080,
  },
  { name: 'data', kind: 'text', value: 'DIR', help: 'where the mailbox keeps messages', otherwise: 'in memory' },
  {
    name: 'store',
    kind: 'text',
    isSecret: true,
    value: 'URL',
    help: 'a Redis or Valkey that several servers share, such as redis://HOST:PORT, rediss:// for TLS, nodes of a cluster with commas between them: each node reaches every other, whichever server has its session',
    otherwise: 'in memory',
  },
  {
    name: 'store-prefix',
    kind: 'text',
    value: 'TEXT',
    help: 'what all keys and channels there begin with',
    otherwise: '"rxp2p:"',
  },
  {
    name: 'host',
    kind: 'texts',
    value: 'HOST:PORT',
    help: 'a name by which clients know the servers, as in the URLs of the mailbox and the relay: what was signed for others is refused; needed behind a NAT or a proxy; may be given several times',
    otherwise: 'the rendezvous server goes by its address, the others take any',
  },
  {
    name: 'trust-proxy',
    kind: 'texts',
    value: 'CIDR',
    help: 'an address or network of proxies that say who calls (PROXY protocol, Forwarded, X-Forwarded-For) and are believed; may be given several times',
    otherwise: 'none',
  },
  {
    name: 'tls-cert',
    kind: 'text',
    value: 'FILE',
    help: 'the certificate (PEM, with those that lead to its authority) by which the HTTP port speaks HTTPS, too; read anew when it changes',
    otherwise: 'HTTP alone',
  },
  { name: 'tls-key', kind: 'text', value: 'FILE', help: 'its private key (PEM)', otherwise: 'none' },
  {
    name: 'key',
    kind: 'text',
    short: 'k',
    value: 'FILE',
    help: "the rendezvous server's own key, made and saved there when there is none: nodes then know it as rxp2p://KEY@HOST:PORT, and speak TLS with it",
    otherwise: 'none',
  },
  {
    name: 'relay',
    kind: 'switch',
    help: 'pass bytes between nodes that cannot reach each other',
    default: true,
  },
  {
    name: 'relay-sessions',
    kind: 'integer',
    value: 'N',
    help: 'pairs of nodes that the relay joins at the same time',
    least: 1,
    most: 1_000_000,
    otherwise: '4000',
    limit: ['relay', 'sessions'],
  },
  {
    name: 'relay-bytes',
    kind: 'integer',
    value: 'N',
    help: 'bytes that a pair may have passed on, both ways',
    least: 1,
    most: MOST,
    otherwise: 'any number',
    limit: ['relay', 'bytesPerSession'],
  },
  {
    name: 'relay-rate',
    kind: 'integer',
    value: 'N',
    help: 'bytes a second that a pair may have passed on, both ways',
    least: 1,
    most: MOST,
    otherwise: 'any number',
    limit: ['relay', 'bytesPerSecond'],
  },
  {
    name: 'dht-port',
    kind: 'integer',
    value: 'N',
    help: 'be a node of a distributed hash table on this UDP port, with HTTP services on the TCP port of the same number',
    least: 0,
    most: 65535,
    otherwise: 'none',
  },
  {
    name: 'dht-address',
    kind: 'text',
    value: 'ADDR',
    help: 'the IPv4 address at which others reach it',
    otherwise: 'its own',
  },
  {
    name: 'dht-bootstrap',
    kind: 'texts',
    value: 'HOST:PORT',
    help: 'another node by which to join; may be given several times',
    otherwise: 'none',
  },
  {
    name: 'limit',
    kind: 'limits',
    value: 'SERVER.NAME=N',
    help: 'what a server bears, such as mailbox.messages=100000; --print-config names all; may be given several times',
    otherwise: 'as --print-config says',
  },
  {
    name: 'admin',
    kind: 'text',
    value: 'HOST:PORT',
    help: 'where the servers are looked at: /healthz, /readyz, /metrics and a status page, for whoever reaches it; a port alone is on loopback',
    otherwise: 'nowhere',
  },
  {
    name: 'admin-host',
    kind: 'texts',
    value: 'NAME',
    help: 'a name by which that is asked for, beside loopback names and the address itself; may be given several times',
    otherwise: 'none',
  },
  {
    name: 'drain',
    kind: 'integer',
    value: 'SECONDS',
    help: 'how long relays and requests that are under way may take to end after SIGTERM or Ctrl-C; a second signal ends at once',
    least: 0,
    most: DAY,
    default: 30,
  },
  {
    name: 'log-level',
    kind: 'text',
    value: 'LEVEL',
    help: `what is logged to stderr: ${LOG_LEVELS.join(', ')}`,
    choices: LOG_LEVELS,
    default: 'info',
  },
  {
    name: 'log-addresses',
    kind: 'switch',
    help: "log callers' addresses, and show them on the status page, as they are, not shortened to their networks",
    default: false,
  },
  {
    name: 'json',
    kind: 'switch',
    help: 'log one JSON object a line, on a terminal, too',
    default: false,
  },
];

/** The key of an option in a file: `http-port` is `httpPort`. */
export function keyOf({ name }: ServeOption): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What the names of all options begin with in the environment. */
export const ENVIRONMENT_PREFIX = 'RXP2P_';

/** The file of `--config`, in the environment. */
export const CONFIG_VARIABLE = `${ENVIRONMENT_PREFIX}CONFIG`;

/** The name of an option in the environment: `http-port` is `RXP2P_HTTP_PORT`. */
export function environmentNameOf({ name }: ServeOption): string {
  return `${ENVIRONMENT_PREFIX}${name.replaceAll('-', '_').toUpperCase()}`;
}

/** The flag of an option, as --help has it. A switch that is on by default is switched off by its flag. */
export function flagOf({ name, short, value, ...option }: ServeOption): string {
  const flag = option.default === true ? `--no-${name}` : `--${name}`;
  return `${short === undefined ? '' : `-${short}, `}${flag}${value === undefined ? '' : ` <${value}>`}`;
}

/** What an option does, and what goes without it. */
export function helpOf({ help, default: value, otherwise, kind }: ServeOption): string {
  if (kind === 'switch') return value === true ? `do not ${help}` : help;
  return `${help} (default: ${otherwise ?? String(value)})`;
}
