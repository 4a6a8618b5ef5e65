import { concat, map, merge, NEVER, of, scan, startWith, takeUntil, timer, type Observable } from 'rxjs';
import { canonicalAddress, withoutZone } from '../endpoint.js';
import type { Interfaces } from '../link/interfaces.js';
import type { MulticastEvent } from '../link/multicast.js';
import { linksOf } from '../link/multicast-links.js';
import type { Runtime } from '../runtime.js';
import { decodeMessage } from './dns/decode.js';
import { encodeMessage } from './dns/encode.js';
import { TYPE } from './dns/message.js';
import { ENUMERATION } from './responder.js';
import { SERVICE } from './statement.js';

/** When it is asked who is there, in milliseconds: twice, since a packet may be lost. Who answers does so within 120 ms (RFC 6762 §6). */
const ASKED_AT_MS = [0, 1_000] as const;

/** How long is listened, in milliseconds: a second behind the last question, since a busy device, or one that sleeps, takes its time. */
const LISTEN_MS = 2_000;

/** Hosts that are counted: more than one wants to know of. */
const MAX_HOSTS = 256;

/** What multicast shows of the local network. */
export interface LanCheck {
  /** The interfaces that packets to all were sent by. */
  readonly interfaces: readonly string[];
  /** Of these those by which this machine has heard itself: multicast works in this machine, as far as its own firewall is concerned. */
  readonly heard: readonly string[];
  /** How many other hosts were heard, whatever they are: multicast works between machines. */
  readonly hosts: number;
  /** How many of these run nodes of this library that want to be found. */
  readonly nodes: number;
  /** Why an interface could not be used, in words. */
  readonly failures: readonly string[];
}

interface Heard {
  readonly sent: ReadonlySet<string>;
  readonly heard: ReadonlySet<string>;
  readonly hosts: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
  readonly failures: ReadonlySet<string>;
}

const NOTHING: Heard = {
  sent: new Set(),
  heard: new Set(),
  hosts: new Set(),
  nodes: new Set(),
  failures: new Set(),
};

/** Where to look. */
interface LanLookConfig {
  /** The address that the node is bound to, if it is. */
  readonly bind: string | undefined;
  /** Those of this machine. */
  readonly interfaces: Interfaces | undefined;
  readonly runtime: Pick<Runtime, 'multicast$' | 'scheduler'>;
}

/**
 * Asks by multicast DNS which services there are on the networks of this machine, and listens for itself and for others, which need not know this
 * library. Announces nothing. Emits what was heard, whenever that is more, and completes after two seconds.
 *
 * @example
 * lookAtLan$({ bind: undefined, interfaces: networkInterfaces(), runtime: systemRuntime }).subscribe(({ hosts }) => console.log(hosts));
 */
export function lookAtLan$({ bind, interfaces, runtime }: LanLookConfig): Observable<LanCheck> {
  const { multicast$, scheduler } = runtime;
  const question = encodeMessage({
    id: 0,
    isResponse: false,
    questions: [
      { name: ENUMERATION, type: TYPE.PTR },
      { name: SERVICE, type: TYPE.PTR },
    ],
    answers: [],
    additionals: [],
  });
  const all = Object.values(interfaces ?? {}).flatMap((entries) => (entries ?? []).map(({ address }) => address));
  const own = new Set([...all, bind ?? ''].map((address) => canonicalAddress(withoutZone(address))));
  const outgoing$ = merge(...ASKED_AT_MS.map((ms) => timer(ms, scheduler))).pipe(map(() => ({ bytes: question })));
  const links$ = concat(of(linksOf(interfaces, bind)), NEVER);
  return multicast$({ links$, outgoing$ }).pipe(
    scan((known, event) => learned(known, event, own), NOTHING),
    startWith(NOTHING),
    map(({ sent, heard, hosts, nodes, failures }) => ({
      interfaces: [...sent].sort(),
      heard: [...heard].sort(),
      hosts: hosts.size,
      nodes: nodes.size,
      failures: [...failures].sort(),
    })),
    takeUntil(timer(LISTEN_MS, scheduler)),
  );
}

function learned(known: Heard, event: MulticastEvent, own: ReadonlySet<string | undefined>): Heard {
  switch (event.type) {
    case 'joined':
      return { ...known, sent: joinedBy(known.sent, event.link.interfaceName) };
    case 'failed':
      return { ...known, failures: joinedBy(known.failures, `${event.link.interfaceName}: ${event.reason}`) };
    case 'packet': {
      const { address, interfaceName } = event.from;
      if (own.has(address)) return { ...known, heard: joinedBy(known.heard, interfaceName) };
      if (known.hosts.size >= MAX_HOSTS && !known.hosts.has(address)) return known;
      const nodes = isOfNode(event.bytes) ? joinedBy(known.nodes, address) : known.nodes;
      return { ...known, hosts: joinedBy(known.hosts, address), nodes };
    }
  }
}

function joinedBy(all: ReadonlySet<string>, one: string): ReadonlySet<string> {
  return all.has(one) ? all : new Set([...all, one]);
}

/** Whether a packet is an answer of a node of this library. */
function isOfNode(bytes: Buffer): boolean {
  const { isResponse = false, answers = [] } = decodeMessage(bytes) ?? {};
  return isResponse && answers.some(({ name }) => name === SERVICE || name.endsWith(`.${SERVICE}`));
}
