import { KEEP_MAX_MS, PARCEL_MAX_BYTES } from '../../lib/parcel.js';
import type { BoxLimits } from './boxes.js';
import type { PollLimits } from './polls.js';
import type { Pyp2pLimits } from './pyp2p/limits.js';
import { DEFAULT_UNREAD_LIMITS, type UnreadLimits } from '../unread.js';

/** Limits of one mailbox server. All messages are held in memory, too. */
export interface MailboxServerLimits extends BoxLimits, PollLimits, Pyp2pLimits, UnreadLimits {
  /** The longest message, in bytes. */
  readonly messageBytes: number;
  /** For how long a message is kept at most, in milliseconds, whatever its sender asks for. */
  readonly keepMs: number;
  /** Messages a minute of one sender, on average. */
  readonly putsPerMinute: number;
  /** Messages at once of one sender. */
  readonly putBurst: number;
  /** Requests a second from one IPv4 address or IPv6 /48, on average. */
  readonly requestsPerSecond: number;
  /** Requests at once from one IPv4 address or IPv6 /48. */
  readonly requestBurst: number;
  /** Lines a second of one session, on average. */
  readonly linesPerSecond: number;
  /** Lines at once of one session. */
  readonly lineBurst: number;
  /** Receivers whose last visit is remembered. */
  readonly owners: number;
  /** The interval at which expired messages are deleted, in milliseconds. */
  readonly sweepMs: number;
}

export const DEFAULT_MAILBOX_LIMITS: MailboxServerLimits = {
  ...DEFAULT_UNREAD_LIMITS,
  messageBytes: PARCEL_MAX_BYTES,
  keepMs: KEEP_MAX_MS,
  messagesPerRecipient: 1_000,
  bytesPerRecipient: 4 * 1024 * 1024,
  messagesPerSender: 100,
  bytesPerSender: 512 * 1024,
  messagesPerHost: 125,
  bytesPerHost: 512 * 1024,
  messages: 50_000,
  bytes: 64 * 1024 * 1024,
  putsPerMinute: 120,
  putBurst: 60,
  requestsPerSecond: 50,
  requestBurst: 500,
  linesPerSecond: 50,
  lineBurst: 200,
  polls: 10_000,
  pollsPerHost: 128,
  owners: 50_000,
  sweepMs: 10_000,
  pyp2pNodes: 10_000,
  pyp2pNodesPerHost: 64,
};
