import type { Counted, GaugeName } from '../watch.js';

/** A counter: what is counted, what it is called, and what tells one kind from another. */
interface CounterWords {
  readonly counted: keyof Counted;
  readonly name: string;
  readonly help: string;
  /** `undefined`: there is only one kind. */
  readonly label: string | undefined;
  /** Those that are there from the start, so that their rate is known from the first one on. */
  readonly kinds: readonly string[];
}

export const COUNTERS: readonly CounterWords[] = [
  {
    counted: 'rendezvousSessions',
    name: 'rxp2p_rendezvous_sessions_opened_total',
    help: 'Sessions of the rendezvous server that began.',
    label: undefined,
    kinds: ['opened'],
  },
  {
    counted: 'rendezvousMessages',
    name: 'rxp2p_rendezvous_messages_total',
    help: 'Messages that sessions had to pass on, by what became of them.',
    label: 'outcome',
    kinds: ['sent', 'absent', 'refused'],
  },
  {
    counted: 'codes',
    name: 'rxp2p_codes_total',
    help: 'Codes by which nodes meet: opened, not opened since another has the number, or refused or given up for want of room.',
    label: 'outcome',
    kinds: ['opened', 'taken', 'refused', 'gaveWay'],
  },
  {
    counted: 'codeMessages',
    name: 'rxp2p_code_messages_total',
    help: 'Messages of nodes that have a code, by what became of them.',
    label: 'outcome',
    kinds: ['passed', 'nobody', 'refused'],
  },
  {
    counted: 'mailboxPuts',
    name: 'rxp2p_mailbox_puts_total',
    help: 'Messages for the mailbox: awaited by a receiver that is there, kept for one that is not, or refused.',
    label: 'outcome',
    kinds: ['awaited', 'kept', 'refused'],
  },
  {
    counted: 'mailboxTakes',
    name: 'rxp2p_mailbox_takes_total',
    help: 'Times that a receiver came to the mailbox, by what it got.',
    label: 'outcome',
    kinds: ['messages', 'nothing', 'refused'],
  },
  {
    counted: 'relaySessions',
    name: 'rxp2p_relay_sessions_total',
    help: 'Pairs that the relay joined, and nodes and pairs that it sent away, by the limit.',
    label: 'event',
    kinds: ['joined', 'unpaired', 'idle', 'bytes', 'unread', 'gaveWay'],
  },
  {
    counted: 'dialBacks',
    name: 'rxp2p_dial_backs_total',
    help: 'Callers that were dialled back.',
    label: 'outcome',
    kinds: ['reachable', 'unreachable'],
  },
  {
    counted: 'storeFailures',
    name: 'rxp2p_store_failures_total',
    help: 'Requests to the store that failed.',
    label: 'request',
    kinds: [],
  },
  {
    counted: 'storeStrays',
    name: 'rxp2p_store_strays_total',
    help: 'What the store brought and no server can have put there: messages to sessions, and entries.',
    label: 'kind',
    kinds: ['notice', 'entry'],
  },
];

/** A gauge: what is read, what it is called, and how many of what is read are one of its unit. */
interface GaugeWords {
  readonly read: GaugeName;
  readonly name: string;
  readonly help: string;
  readonly per?: number;
}

export const GAUGES: readonly GaugeWords[] = [
  { read: 'rendezvousSessions', name: 'rxp2p_rendezvous_sessions', help: 'Sessions of the rendezvous server.' },
  { read: 'codes', name: 'rxp2p_codes', help: 'Codes by which nodes meet that are open.' },
  { read: 'mailboxMessages', name: 'rxp2p_mailbox_messages', help: 'Messages that the mailbox keeps.' },
  { read: 'mailboxBytes', name: 'rxp2p_mailbox_bytes', help: 'Bytes of these messages.' },
  {
    read: 'mailboxOldestMs',
    name: 'rxp2p_mailbox_oldest_message_seconds',
    help: 'The age of the oldest of these messages.',
    per: 1_000,
  },
  { read: 'mailboxPolls', name: 'rxp2p_mailbox_waiting_receivers', help: 'Receivers that wait for messages.' },
  { read: 'relaySessions', name: 'rxp2p_relay_sessions', help: 'Pairs of nodes that the relay has joined.' },
  { read: 'relayWaiting', name: 'rxp2p_relay_waiting', help: 'Nodes that wait at the relay for their other.' },
  { read: 'httpConnections', name: 'rxp2p_http_connections', help: 'Connections of HTTP servers.' },
];

/** Bounds of histograms, in seconds: a store beside this process takes a millisecond, one that fails five seconds. */
export const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** A disk takes some milliseconds, a busy one a second. */
export const WRITE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** From a receiver that waits to one that comes back after days. */
export const KEPT_BUCKETS = [0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800];
