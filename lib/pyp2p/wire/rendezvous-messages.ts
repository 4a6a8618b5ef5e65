import { canonicalAddress, readPort, type Endpoint } from '../../endpoint.js';
import { readNumber } from '../../validate.js';

// PyP2P's part of the rendezvous protocol: TCP, lines of words that end in CRLF. A server knows nodes by their addresses, and refuses
// a request with `REFUSED code words …`, as of the other part.
//
//   BOOTSTRAP n                        → NODES p:address:port … | NODES EMPTY
//   PASSIVE READY port n                 (lists a node that can be dialled, and how many it takes)
//   SIMULTANEOUS READY port n            (lists a node that waits for challenges)
//   SOURCE TCP | SOURCE TCP port       → REMOTE TCP port   (from which the server sees this connection come)
//   CANDIDATE address TCP ports        → PREDICTION SET, and later FIGHT
//   ACCEPT address ports TCP ntp         (answers a CHALLENGE)
//   CLEAR                                (lists this node no longer)
//   QUIT
//                                        CHALLENGE address ports TCP   (a candidate wants to punch)
//                                        FIGHT address ports TCP ntp   (the node has accepted: both begin at a time)
//                                        RECONNECT                     (what the node has told is too old: it says SIMULTANEOUS anew)

/** The most port predictions in one message: more than any plan needs. */
export const MAX_PORTS = 64;

/** How many words of a line are read: more than any valid line has. */
const MAX_WORDS = MAX_NODES + 4;
import { MAX_NODES } from '../../bounds/max-nodes.js';

/** A line to the server. */
export type Pyp2pRequest =
  | { readonly verb: 'BOOTSTRAP'; readonly count: number }
  | { readonly verb: 'PASSIVE'; readonly port: number; readonly maxInbound: number }
  | { readonly verb: 'SIMULTANEOUS'; readonly port: number; readonly maxInbound: number }
  | { readonly verb: 'SOURCE'; readonly port: number | undefined }
  | { readonly verb: 'CANDIDATE'; readonly address: string; readonly ports: readonly number[] }
  | { readonly verb: 'ACCEPT'; readonly address: string; readonly ports: readonly number[]; readonly ntp: number }
  | { readonly verb: 'CLEAR' }
  | { readonly verb: 'QUIT' };

/** A line from the server. */
export type Pyp2pReply =
  | { readonly verb: 'NODES'; readonly nodes: readonly Endpoint[] }
  | { readonly verb: 'REMOTE'; readonly port: number }
  | { readonly verb: 'PREDICTION SET' }
  | { readonly verb: 'CHALLENGE'; readonly address: string; readonly ports: readonly number[] }
  | { readonly verb: 'FIGHT'; readonly address: string; readonly ports: readonly number[]; readonly ntp: number }
  | { readonly verb: 'RECONNECT' };

/** Writes a line to a server, without its end. */
export function formatPyp2pRequest(request: Pyp2pRequest): string {
  switch (request.verb) {
    case 'BOOTSTRAP':
      return `BOOTSTRAP ${request.count}`;
    case 'PASSIVE':
    case 'SIMULTANEOUS':
      return `${request.verb} READY ${request.port} ${request.maxInbound}`;
    case 'SOURCE':
      return request.port === undefined ? 'SOURCE TCP' : `SOURCE TCP ${request.port}`;
    case 'CANDIDATE':
      return `CANDIDATE ${request.address} TCP ${request.ports.join(' ')}`;
    case 'ACCEPT':
      return `ACCEPT ${request.address} ${request.ports.join(' ')} TCP ${request.ntp}`;
    case 'CLEAR':
    case 'QUIT':
      return request.verb;
  }
}

/** Reads a line to a server: `undefined` for anything that is not exactly one of PyP2P's verbs. Never throws. */
export function parsePyp2pRequest(line: string): Pyp2pRequest | undefined {
  const [verb, ...words] = line.split(' ', MAX_WORDS);
  const [first = '', second = '', third = ''] = words;
  switch (verb) {
    case 'BOOTSTRAP': {
      const count = readNumber(first, 1, MAX_NODES);
      return words.length === 1 && count !== undefined ? { verb, count } : undefined;
    }
    case 'PASSIVE':
    case 'SIMULTANEOUS': {
      // PyP2P's nodes say `SIMULTANEOUS READY 0 0`: nobody dials them.
      const port = verb === 'PASSIVE' ? readPort(second) : readNumber(second, 0, 65_535);
      const maxInbound = readNumber(third, 0, 1_000_000);
      if (words.length !== 3 || first !== 'READY' || port === undefined || maxInbound === undefined) return undefined;
      return { verb, port, maxInbound };
    }
    case 'SOURCE': {
      const port = readPort(second);
      if (first !== 'TCP' || words.length > 2 || (words.length === 2 && port === undefined)) return undefined;
      return { verb, port };
    }
    case 'CANDIDATE': {
      const address = canonicalAddress(first);
      const ports = readPorts(words.slice(2));
      return second === 'TCP' && address !== undefined && ports !== undefined ? { verb, address, ports } : undefined;
    }
    case 'ACCEPT': {
      const agreement = parseAgreement(words);
      return agreement && { verb, ...agreement };
    }
    case 'CLEAR':
    case 'QUIT':
      return words.length === 0 ? { verb } : undefined;
    default:
      return undefined;
  }
}

/** Writes a line from a server, without its end. */
export function formatPyp2pReply(reply: Pyp2pReply): string {
  switch (reply.verb) {
    case 'NODES':
      if (reply.nodes.length === 0) return 'NODES EMPTY';
      return ['NODES', ...reply.nodes.map(({ address, port }) => `p:${address}:${port}`)].join(' ');
    case 'REMOTE':
      return `REMOTE TCP ${reply.port}`;
    case 'CHALLENGE':
      return `CHALLENGE ${reply.address} ${reply.ports.join(' ')} TCP`;
    case 'FIGHT':
      return `FIGHT ${reply.address} ${reply.ports.join(' ')} TCP ${reply.ntp}`;
    case 'PREDICTION SET':
    case 'RECONNECT':
      return reply.verb;
  }
}

/** Reads a line from a server: `undefined` for anything that is not exactly one of PyP2P's replies. Never throws. */
export function parsePyp2pReply(line: string): Pyp2pReply | undefined {
  const [verb, ...words] = line.split(' ', MAX_WORDS);
  const [first = '', second = ''] = words;
  switch (verb) {
    case 'NODES':
      // PyP2P's servers put a space behind each node, also behind the last.
      return parseNodes(words.at(-1) === '' ? words.slice(0, -1) : words);
    case 'REMOTE': {
      const port = readPort(second);
      return words.length === 2 && first === 'TCP' && port !== undefined ? { verb, port } : undefined;
    }
    case 'PREDICTION':
      return line === 'PREDICTION SET' ? { verb: line } : undefined;
    case 'CHALLENGE': {
      const address = canonicalAddress(first);
      const ports = readPorts(words.slice(1, -1));
      if (words.at(-1) !== 'TCP' || address === undefined || ports === undefined) return undefined;
      return { verb, address, ports };
    }
    case 'FIGHT': {
      const agreement = parseAgreement(words);
      return agreement && { verb, ...agreement };
    }
    case 'RECONNECT':
      return words.length === 0 ? { verb } : undefined;
    default:
      return undefined;
  }
}

/** `ip p1 p2 … TCP ntp`, the tail of ACCEPT and FIGHT. */
function parseAgreement(
  words: readonly string[],
): { readonly address: string; readonly ports: readonly number[]; readonly ntp: number } | undefined {
  const address = canonicalAddress(words[0] ?? '');
  const ports = readPorts(words.slice(1, -2));
  const ntpText = words.at(-1) ?? '';
  if (words.at(-2) !== 'TCP' || address === undefined || ports === undefined) return undefined;
  return /^[0-9]{1,12}(\.[0-9]{1,12})?$/.test(ntpText) ? { address, ports, ntp: Number(ntpText) } : undefined;
}

function parseNodes(words: readonly string[]): Pyp2pReply | undefined {
  if (words.length === 1 && words[0] === 'EMPTY') return { verb: 'NODES', nodes: [] };
  if (words.length === 0 || words.length > MAX_NODES) return undefined;
  const nodes = words.flatMap((word) => {
    const groups = /^p:(?<address>.+):(?<port>[0-9]{1,5})$/.exec(word)?.groups;
    const address = canonicalAddress(groups?.['address'] ?? '');
    const port = readPort(groups?.['port'] ?? '');
    return address === undefined || port === undefined ? [] : [{ address, port }];
  });
  return nodes.length === words.length ? { verb: 'NODES', nodes } : undefined;
}

function readPorts(words: readonly string[]): readonly number[] | undefined {
  const ports = words.map(readPort).filter((port) => port !== undefined);
  return ports.length === words.length && ports.length > 0 && ports.length <= MAX_PORTS ? ports : undefined;
}
