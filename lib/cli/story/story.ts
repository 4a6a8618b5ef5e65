import { formatEndpoint } from '../../endpoint.js';
import type { TraceEvent } from '../../trace.js';

/** Another way that the lines of a connection take. */
export interface PathEvent {
  readonly type: 'path';
  /** When, in milliseconds since the epoch. */
  readonly at: number;
  readonly technique: string;
  readonly direct: boolean;
}

/** A peer has answered a ping. */
export interface PongEvent {
  readonly type: 'pong';
  /** When, in milliseconds since the epoch. */
  readonly at: number;
  readonly words: string;
}

/** What a story is made of. */
export type StoryEvent = TraceEvent | PathEvent | PongEvent;

/** A step of a command itself, without its time. */
export type StoryStep = Omit<PongEvent, 'at'>;

/** Something that took its time. Times are in milliseconds from the start of the story. */
export interface Bar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly outcome: 'succeeded' | 'failed' | 'cancelled' | 'unfinished';
  readonly words: string;
}

/** Something that happened at a moment. */
export interface Mark {
  readonly atMs: number;
  readonly isBad: boolean;
  readonly words: string;
}

/** What belongs together, such as a technique. */
export interface Row {
  readonly name: string;
  readonly bars: readonly Bar[];
  readonly marks: readonly Mark[];
}

/** What has happened, row by row, in the order in which each began. */
export interface Story {
  readonly lengthMs: number;
  readonly rows: readonly Row[];
}

interface OpenRow {
  readonly bars: Bar[];
  readonly marks: Mark[];
  /** What has begun and is not over, by its name. */
  readonly begun: Map<string, number>;
}

/** Signals, and what is told of servers and this machine, have rows of their own. */
const [MACHINE, SERVERS, SIGNALS, CONNECTION, DIALS, ANSWERS] = [
  'this machine',
  'servers',
  'signals',
  'the connection',
  'dials',
  'answers',
] as const;

/** Makes a story of what was told. Pure. */
export function storyOf(events: readonly StoryEvent[]): Story {
  const [first] = events;
  const start = first?.at ?? 0;
  const lengthMs = Math.max(1, (events.at(-1)?.at ?? start) - start);
  const rows = new Map<string, OpenRow>();
  const row = (name: string): OpenRow => {
    const known = rows.get(name) ?? { bars: [], marks: [], begun: new Map<string, number>() };
    rows.set(name, known);
    return known;
  };
  for (const event of events) {
    const atMs = event.at - start;
    const mark = (name: string, words: string, isBad = false) => {
      row(name).marks.push({ atMs, isBad, words });
    };
    const outcome = (name: string, what: string, { outcome, reason }: Pick<TechniqueEvent, 'outcome' | 'reason'>) => {
      const { begun, bars } = row(name);
      if (outcome === 'started') {
        begun.set(what, atMs);
        return;
      }
      const fromMs = begun.get(what) ?? atMs;
      begun.delete(what);
      bars.push({
        fromMs,
        toMs: atMs,
        outcome,
        words: `${what} ${outcome}${reason === undefined ? '' : `: ${reason}`}`,
      });
    };
    tell(event, mark, outcome);
  }
  for (const { bars, begun } of rows.values())
    for (const [what, fromMs] of begun)
      bars.push({ fromMs, toMs: lengthMs, outcome: 'unfinished', words: `${what} goes on` });
  return {
    lengthMs,
    rows: [...rows].map(([name, { bars, marks }]) => ({ name, bars, marks })),
  };
}

type TechniqueEvent = Extract<TraceEvent, { type: 'technique' }>;
type MarkIt = (row: string, words: string, isBad?: boolean) => void;
type Over = (row: string, what: string, outcome: Pick<TechniqueEvent, 'outcome' | 'reason'>) => void;

/** Puts one event into the rows that it belongs to. */
function tell(event: StoryEvent, mark: MarkIt, over: Over): void {
  switch (event.type) {
    case 'technique':
      over(event.technique, event.technique, event);
      return;
    case 'dial':
      over(DIALS, formatEndpoint(event.endpoint), event);
      return;
    case 'port-mapping':
      over(MACHINE, `opening a port by ${event.protocol}`, event);
      return;
    case 'punch':
      tellPunch(event, mark);
      return;
    case 'path':
      mark(CONNECTION, `lines go by ${event.technique} (${event.direct ? 'direct' : 'relayed'})`);
      return;
    case 'pong':
      mark(ANSWERS, event.words);
      return;
    case 'connection':
      mark(CONNECTION, `both sides hold the ${event.direction} connection`);
      return;
    case 'connection-closed':
      mark(CONNECTION, `closed: ${event.reason.message}`, event.reason.code !== 'closed');
      return;
    case 'nat': {
      const share = `${Math.round(event.confidence * 100)} % of ${event.samples} samples`;
      mark(
        MACHINE,
        `IPv${event.family}: the NAT is ${event.natType.type} (${share}), at ${event.addresses.join(', ')}`,
      );
      return;
    }
    case 'reach':
      mark(MACHINE, `IPv${event.family}: ${event.words}`, event.isReachable === false);
      return;
    case 'interfaces':
    case 'fault':
      mark(MACHINE, event.reason, true);
      return;
    case 'listening':
      mark(MACHINE, `listens at ${formatEndpoint(event.local)}`);
      return;
    case 'server':
      mark(SERVERS, `${event.kind} server ${event.server} ${event.failure ?? 'answers'}`, event.failure !== undefined);
      return;
    case 'signal':
      if (event.step === 'sent') mark(SIGNALS, `${event.kind} sent: ${event.delivery}`, event.delivery === 'absent');
      else mark(SIGNALS, `${event.kind} came by ${event.by}`);
      return;
    case 'dropped':
      mark(SIGNALS, `a ${event.what} was dropped: ${event.reason}`, true);
      return;
    case 'dht':
      mark(
        SERVERS,
        event.state === 'joined' ? 'joined the DHT' : `could not join the DHT: ${event.reason}`,
        event.state === 'failed',
      );
      return;
    case 'inbound-failed':
      mark(DIALS, `from ${formatEndpoint(event.remote)}: ${event.reason}`, true);
      return;
    // The attempt is all of its techniques; what is left is seldom, and in the trace.
    default:
  }
}

function tellPunch(event: Extract<TraceEvent, { type: 'punch' }>, mark: MarkIt): void {
  const round = `round ${event.round + 1}, asked by ${event.by === 'us' ? 'this node' : 'the peer'}`;
  const row = 'simultaneous-open';
  switch (event.step) {
    case 'asked':
      mark(row, `${round}: this side has ports ${portsOf(event.own)}`);
      return;
    case 'planned': {
      const { syns, delayMs } = event.plan;
      mark(
        row,
        `${round}: ${syns} SYNs after ${Math.round(delayMs)} ms, to ports ${portsOf(event.peer)} of ${event.peer.address}`,
      );
      return;
    }
    case 'refused':
      mark(row, `${round}: refused: ${event.reason}`, true);
      return;
    case 'over':
      mark(
        row,
        `${round}: ${event.sent} SYNs sent, ${event.refused} refused, ${event.opened + event.accepted} opened`,
        event.opened + event.accepted === 0,
      );
  }
}

function portsOf({ ports }: { readonly ports: readonly number[] }): string {
  return ports.length === 0 ? 'that nobody can predict' : ports.join(', ');
}
