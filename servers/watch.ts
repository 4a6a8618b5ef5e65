import { noop } from 'rxjs';
import type { RefusalCode as RendezvousRefusal } from '../lib/rendezvous/messages.js';
import type { SessionRefusalCode } from '../lib/signalling/carriers/mailbox-lines.js';
import type { RefusalCode as MailboxRefusal } from '../lib/signalling/carriers/mailbox-messages.js';
import type { RefusalCode as RelayRefusal } from '../lib/techniques/relay/protocol.js';

/** What servers count, and what tells one kind from another. All words are fixed here: none is ever a caller's. */
export interface Counted {
  /** Sessions of the rendezvous server that began. */
  readonly rendezvousSessions: 'opened';
  /** Messages that a session had to pass on. */
  readonly rendezvousMessages: 'sent' | 'absent' | 'refused';
  /** Codes by which nodes meet: opened; another has the number; refused, or given up, for want of room. */
  readonly codes: 'opened' | 'taken' | 'refused' | 'gaveWay';
  /** Messages of nodes that have a code: passed on to who shows it, to nobody, or refused. */
  readonly codeMessages: 'passed' | 'nobody' | 'refused';
  /** Messages for the mailbox: `awaited` by a receiver that is there now, `kept` for one that is not, or refused. */
  readonly mailboxPuts: 'awaited' | 'kept' | 'refused';
  /** Times that a receiver came: it got messages, or nothing, or was refused. */
  readonly mailboxTakes: 'messages' | 'nothing' | 'refused';
  /** Pairs of nodes that the relay has joined, and those that it sent away by one of its limits. */
  readonly relaySessions: 'joined' | 'unpaired' | 'idle' | 'bytes' | 'unread' | 'gaveWay';
  /** Callers that were dialled back. */
  readonly dialBacks: 'reachable' | 'unreachable';
  /** Requests to the store that failed, by what was asked. */
  readonly storeFailures: StoreRequest;
  /**
   * What the store brought and no server can have put there, such as another program that uses the same prefix: a message to a session, or
   * an entry of a table. It is dropped.
   */
  readonly storeStrays: 'notice' | 'entry';
}

/** Why callers are refused, by the server that refuses them. */
export interface Refused {
  /** Refused by a line `REFUSED`, or dropped without one. */
  readonly rendezvous: RendezvousRefusal;
  /** Refused with a status of HTTP, and the code in its body; in a session by a line. */
  readonly mailbox: MailboxRefusal | SessionRefusalCode;
  /** Refused with a status of HTTP, and the code in its body. */
  readonly relay: RelayRefusal;
  /** Refused to dial a caller back: it asks too often, or too many do. */
  readonly reachability: 'too-often' | 'server-full';
  /** An HTTP server that closes a connection for which there is no room. */
  readonly http: 'too-many-connections';
}

/** Services of HTTP servers; `none` is asked for what is not there. */
export type ServiceName = 'rendezvous' | 'mailbox' | 'relay' | 'reachability' | 'none';

/** What is asked of a {@link Store}. */
export type StoreRequest = 'put' | 'get' | 'delete' | 'sample' | 'list' | 'publish';

/**
 * What takes time: requests to a store that does not answer at once, keeping or refusing a message of the mailbox, and how long this
 * process kept a message before it was acknowledged.
 */
export type Timed = `store ${StoreRequest}` | 'mailbox write' | 'mailbox kept';

/** Figures that are read when somebody looks. Those of several servers are added. */
export type GaugeName =
  /** Sessions of the rendezvous server. */
  | 'rendezvousSessions'
  /** Codes by which nodes meet that are open. */
  | 'codes'
  /** Messages in the mailbox of this process; those that it keeps in a store that others share are not counted. */
  | 'mailboxMessages'
  /** Bytes of these messages. */
  | 'mailboxBytes'
  /** The age of the oldest of them, in milliseconds. */
  | 'mailboxOldestMs'
  /** Receivers that wait for messages. */
  | 'mailboxPolls'
  /** Pairs of nodes that the relay has joined. */
  | 'relaySessions'
  /** Nodes that wait at the relay for their other. */
  | 'relayWaiting'
  /** Bytes that the relay has passed on since it began. */
  | 'relayBytes'
  /** Connections of HTTP servers. */
  | 'httpConnections';

/**
 * By which servers tell what they do. What is called for each message is cheap, and does nothing by default.
 *
 * @example
 * const watch: Watch = { ...unwatched, refused: (server, reason) => console.log(server, reason) };
 * serve$({ watch }).subscribe();
 */
export interface Watch {
  /** Something happened, once or so many times. */
  count<Name extends keyof Counted>(name: Name, kind: Counted[Name], times?: number): void;
  /**
   * Somebody was refused.
   *
   * @param site the caller's site: an IPv4 address, or the /48 of an IPv6 address as `siteOf` writes it.
   */
  refused<Server extends keyof Refused>(server: Server, reason: Refused[Server], site: string): void;
  /** An HTTP request was answered by a service. */
  answered(service: ServiceName, status: number): void;
  /** Something took so many milliseconds. */
  took(what: Timed, ms: number): void;
  /** Has a figure read whenever somebody looks, until the function that is returned is called. */
  gauge(name: GaugeName, read: () => number): () => void;
}

/** Nobody watches: the default. */
export const unwatched: Watch = { count: noop, refused: noop, answered: noop, took: noop, gauge: () => noop };
