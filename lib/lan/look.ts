import {
  concat,
  defer,
  distinctUntilChanged,
  filter,
  map,
  merge,
  NEVER,
  of,
  scan,
  startWith,
  takeUntil,
  timer,
  type MonoTypeOperatorFunction,
  type Observable,
} from 'rxjs';
import { canonicalAddress, familyOf, withoutZone } from '../endpoint.js';
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

/** Hosts that are counted, of each family of addresses: more than one wants to know of. */
const MAX_HOSTS = 256;

/** Packets that are read: some of each of these hosts. */
const MAX_PACKETS = 4_096;

/** What multicast shows of the local network. */
export interface LanCheck {
  /** The interfaces that packets to all were sent by. */
  readonly interfaces: readonly string[];
  /** Of these those by which this machine has heard itself: multicast works in this machine, as far as its own firewall is concerned. */
  readonly heard: readonly string[];
  /** How many other hosts were heard, by IPv4 or by IPv6, whichever is more, whatever they are: multicast works between machines. */
  readonly hosts: number;
  /** How many of these run nodes of this library that want to be found. */
  readonly nodes: number;
  /** Why an interface could not be used, in words. */
  readonly failures: readonly string[];
}

/** What was heard, each a set of names. Most hosts speak by both families of addresses, which do not show that they belong together. */
type Heard = Readonly<Record<'sent' | 'heard' | 'failures' | HostsKey, ReadonlySet<string>>>;
type HostsKey = `${'hosts' | 'nodes'}${4 | 6}`;

const NOTHING: Heard = {
  sent: new Set(),
  heard: new Set(),
  failures: new Set(),
  hosts4: new Set(),
  hosts6: new Set(),
  nodes4: new Set(),
  nodes6: new Set(),
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
    boundPackets(),
    scan((known, event) => learned(known, event, own), NOTHING),
    startWith(NOTHING),
    distinctUntilChanged(),
    map(checkOf),
    takeUntil(timer(LISTEN_MS, scheduler)),
  );
}

/** Drops the packets of those who send without end. */
function boundPackets(): MonoTypeOperatorFunction<MulticastEvent> {
  return (event$) =>
    defer(() => {
      let packets = 0;
      return event$.pipe(filter(({ type }) => type !== 'packet' || ++packets <= MAX_PACKETS));
    });
}

/** A host that was heard by both families counts once, so the family by which more were heard counts alone. */
function checkOf({ sent, heard, failures, hosts4, hosts6, nodes4, nodes6 }: Heard): LanCheck {
  return {
    interfaces: [...sent].sort(),
    heard: [...heard].sort(),
    hosts: Math.max(hosts4.size, hosts6.size),
    nodes: Math.max(nodes4.size, nodes6.size),
    failures: [...failures].sort(),
  };
}

/** What is known after an event; the same object where that is nothing new. */
function learned(known: Heard, event: MulticastEvent, own: ReadonlySet<string | undefined>): Heard {
  switch (event.type) {
    case 'joined':
      return joinedBy(known, 'sent', event.link.interfaceName);
    case 'failed':
      return joinedBy(known, 'failures', `${event.link.interfaceName}: ${event.reason}`);
    case 'packet': {
      const { address, interfaceName } = event.from;
      if (own.has(address)) return joinedBy(known, 'heard', interfaceName);
      const family = familyOf(address);
      const [hosts, nodes] = [known[`hosts${family}`], known[`nodes${family}`]];
      if (nodes.has(address) || (hosts.size >= MAX_HOSTS && !hosts.has(address))) return known;
      const withHost = joinedBy(known, `hosts${family}`, address);
      return isOfNode(event.bytes) ? joinedBy(withHost, `nodes${family}`, address) : withHost;
    }
  }
}

function joinedBy(known: Heard, key: keyof Heard, one: string): Heard {
  return known[key].has(one) ? known : { ...known, [key]: new Set([...known[key], one]) };
}

/** Whether a packet is an answer of a node of this library. */
function isOfNode(bytes: Buffer): boolean {
  const { isResponse = false, answers = [] } = decodeMessage(bytes) ?? {};
  return isResponse && answers.some(({ name }) => name === SERVICE || name.endsWith(`.${SERVICE}`));
}
