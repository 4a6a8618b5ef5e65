/** What the lab's command line takes, checked: pure. */
import { NETWORKS, SHARED_NETWORKS, type NetworkName, type SharedNetworkName } from './networks.js';
import { isNetwork, isSharedNetwork, type Pair } from './plan.js';

export const NETWORK_NAMES = Object.keys(NETWORKS).filter(isNetwork);
export const SHARED_NAMES = Object.keys(SHARED_NETWORKS).filter(isSharedNetwork);
export const ALL_NETWORKS = [...NETWORK_NAMES, ...SHARED_NAMES];

/** `a,b,…`: names of networks. */
export const parseNetworks = (text: string): (NetworkName | SharedNetworkName)[] => text.split(',').map(parseNetwork);

const parseNetwork = (name: string): NetworkName | SharedNetworkName => {
  if (isNetwork(name) || isSharedNetwork(name)) return name;
  throw new Error(`Expected a network, one of ${[...NETWORK_NAMES, ...SHARED_NAMES].join(', ')}; got \`${name}\``);
};

/** `a:b,c:d,…`; a network that both hosts share stands alone. */
export const parsePairs = (text: string): Pair[] => text.split(',').map((pair) => toPair(pair.split(':')));

export const toPair = (names: readonly string[]): Pair => {
  const [one = '', other = one] = names;
  if (names.length === 1 && isSharedNetwork(one)) return [one];
  if (names.length === 2 && isNetwork(one) && isNetwork(other)) return [one, other];
  names.forEach(parseNetwork);
  throw new Error(`Expected two networks, or one of ${SHARED_NAMES.join(', ')} alone; got \`${names.join(' ')}\``);
};

/**
 * Each dialing each, itself included, in both directions; shared networks alone. First each dials itself, then its
 * neighbour, and so on: so pairs that follow each other have no host in common, and can be measured side by side.
 */
export const allPairs = (names: readonly (NetworkName | SharedNetworkName)[]): Pair[] => {
  const networks = names.filter(isNetwork);
  return [
    ...networks.flatMap((_, shift) => networks.map((a, i): Pair => [a, networks[(i + shift) % networks.length] ?? a])),
    ...names.filter(isSharedNetwork).map((name): Pair => [name]),
  ];
};

export const parseNumber =
  (option: string, min: number, max: number) =>
  (text: string): number => {
    const value = text.trim() === '' ? NaN : Number(text);
    if (value >= min && value <= max) return value;
    throw new Error(`Expected \`${option}\` to be a number from ${min} to ${max}, got \`${text}\``);
  };

export const parseInteger = (option: string, min: number, max: number) => (text: string) => {
  const value = parseNumber(option, min, max)(text);
  if (Number.isInteger(value)) return value;
  throw new Error(`Expected \`${option}\` to be an integer, got \`${text}\``);
};

/** Whatever follows a lone `--` after `shell` is a command to run; other commands are given all, and refuse what is too much. */
export const splitCommand = (argv: readonly string[]): { own: string[]; command: string[] } => {
  const at = argv[0] === 'shell' ? argv.indexOf('--') : -1;
  return at < 0 ? { own: [...argv], command: [] } : { own: argv.slice(0, at), command: argv.slice(at + 1) };
};
