import type { ClockReading } from './server-clock.js';

/** The state of a server, by its last answer or failure. */
export interface ServerReport {
  /** What the server is used for. */
  readonly kind: 'rendezvous' | 'mailbox' | 'DHT' | 'MQTT' | 'reachability' | 'STUN' | 'relay' | 'TURN';
  /** As it was named: `host:port`, or a URL. */
  readonly server: string;
  /** What the server does or is, as in "cannot be reached (ENOTFOUND)"; `undefined` when it answers. */
  readonly failure: string | undefined;
}

const CARRIERS: readonly ServerReport['kind'][] = ['rendezvous', 'mailbox', 'DHT', 'MQTT'];
const RELAYS: readonly ServerReport['kind'][] = ['relay', 'TURN'];

/** Whether a server carries signals. */
export function isCarrier({ kind }: ServerReport): boolean {
  return CARRIERS.includes(kind);
}

/** Whether a server passes on the bytes of those that no direct way leads to. */
export function isRelay({ kind }: ServerReport): boolean {
  return RELAYS.includes(kind);
}

/** What is told of servers of any kind. */
export type ServerStep =
  /** A server could be used, or could not, and why; told when that changes. */
  | ({ readonly type: 'server' } & ServerReport)
  /**
   * How far this machine's clock is ahead of a server's, as an answer by HTTP has shown, and by how much that may be wrong; told where
   * they are more than two minutes apart, when that changes, and when they agree again.
   */
  | ({
      readonly type: 'clock';
      /** The server's URL. */
      readonly server: string;
    } & ClockReading);
