import type { PortMappingProtocol } from './config.js';
import type { CloseReason } from './connection.js';
import type { Endpoint, ServerAddress } from './endpoint.js';
import type { PeerId } from './identity.js';
import type { PunchReport } from './link/punch.js';
import type { PunchSide } from './nat/punch-plan.js';
import type { Reach } from './reachability.js';
import type { ClockReading } from './server-clock.js';
import type { NatType } from './unl/types.js';

/** What can be told of the work of a net, without its time. */
export type TraceStep =
  | { readonly type: 'listening'; readonly local: Endpoint }
  /** An attempt to connect, from `connect$` or to fill a slot. */
  | {
      readonly type: 'attempt';
      readonly attemptId: string;
      readonly peerId: PeerId;
      readonly outcome: 'started' | 'succeeded' | 'failed' | 'cancelled';
      readonly elapsedMs: number;
      readonly reason?: string;
    }
  /** One technique of an attempt. `cancelled` when another was faster. */
  | {
      readonly type: 'technique';
      readonly attemptId: string;
      readonly technique: string;
      readonly outcome: 'started' | 'succeeded' | 'failed' | 'cancelled';
      readonly elapsedMs: number;
      readonly reason?: string;
    }
  /** One dial of a technique. */
  | {
      readonly type: 'dial';
      readonly attemptId: string;
      readonly endpoint: Endpoint;
      readonly outcome: 'started' | 'succeeded' | 'failed' | 'cancelled';
      readonly elapsedMs: number;
      readonly reason?: string;
    }
  /** An inbound connection that did not become one. */
  | { readonly type: 'inbound-failed'; readonly remote: Endpoint; readonly reason: string }
  | { readonly type: 'connection'; readonly peerId: PeerId; readonly direction: 'inbound' | 'outbound' }
  | { readonly type: 'connection-closed'; readonly peerId: PeerId; readonly reason: CloseReason }
  | {
      readonly type: 'rendezvous';
      readonly server: ServerAddress;
      readonly state: 'connected' | 'lost';
      readonly reason?: string;
    }
  /** A server could be used, or could not, and why; told when that changes. The failure is what the server does or is, as in "cannot be reached (ENOTFOUND)". */
  | {
      readonly type: 'server';
      readonly kind: 'rendezvous' | 'mailbox' | 'DHT' | 'reachability';
      /** As it was named: `host:port`, or a URL. */
      readonly server: string;
      readonly failure: string | undefined;
    }
  /**
   * How far this machine's clock is ahead of a server's, as an answer by HTTP has shown, and by how much that may be wrong; told where
   * they are more than two minutes apart, when that changes, and when they agree again.
   */
  | ({ readonly type: 'clock'; readonly server: string } & ClockReading)
  /** The node has joined the DHT, or could not. */
  | { readonly type: 'dht'; readonly state: 'joined'; readonly local: Endpoint }
  | { readonly type: 'dht'; readonly state: 'failed'; readonly reason: string }
  /** One round of a simultaneous open. */
  | ({ readonly type: 'punch' } & PunchStep)
  /** What the servers have shown of this node's NAT, by one family of addresses. */
  | {
      readonly type: 'nat';
      readonly family: 4 | 6;
      readonly natType: NatType;
      readonly confidence: number;
      readonly addresses: readonly string[];
      readonly samples: number;
    }
  /** How one protocol fares that asks the gateway to open a port. */
  | {
      readonly type: 'port-mapping';
      readonly protocol: PortMappingProtocol;
      readonly outcome: 'started' | 'succeeded' | 'failed' | 'cancelled';
      readonly elapsedMs: number;
      readonly reason?: string;
    }
  /** Whether others can dial this node by one family of addresses, and since the search for a way began. */
  | (Reach & { readonly type: 'reach'; readonly elapsedMs: number })
  /** Nodes that a rendezvous server named. */
  | { readonly type: 'bootstrap'; readonly nodes: number }
  /** Why the system does not tell this machine's addresses; the locator then names those that it told last, or of the default routes. */
  | { readonly type: 'interfaces'; readonly reason: string }
  /** Something that should go on for as long as the net does has ended: a mistake of ours, to be reported. */
  | { readonly type: 'fault'; readonly reason: string }
  /** A signal to a peer, and what became of it; or one from a peer, and what brought it. */
  | {
      readonly type: 'signal';
      readonly step: 'sent';
      readonly peerId: PeerId;
      readonly kind: string;
      readonly delivery: 'delivered' | 'kept' | 'absent';
    }
  | {
      readonly type: 'signal';
      readonly step: 'received';
      readonly peerId: PeerId;
      readonly kind: string;
      readonly by: 'rendezvous' | 'dht' | 'mailbox';
    }
  /** A line or message that was not passed on, and why. Of a message it is not always known who sent it. */
  | {
      readonly type: 'dropped';
      readonly what: 'line' | 'message';
      readonly peerId: PeerId | undefined;
      readonly reason: string;
    };

/** One step of the work of a net, with the time at which it was taken, in milliseconds since the epoch. */
export type TraceEvent = TraceStep & { readonly at: number };

/** A step of a punch, to be told. */
export type PunchStep = {
  readonly attemptId: string;
  readonly peerId: PeerId;
  readonly round: number;
  /** Who asked for it. */
  readonly by: 'us' | 'peer';
} &
  /** The peer was asked, with how this side looks. */
  (
    | { readonly step: 'asked'; readonly own: PunchSide }
    /** Both sides are known, and what this one does. */
    | { readonly step: 'planned'; readonly own: PunchSide; readonly peer: PunchSide; readonly plan: PunchSummary }
    | { readonly step: 'refused'; readonly reason: string }
    | ({ readonly step: 'over' } & PunchReport)
  );

/** A plan in short. */
export interface PunchSummary {
  readonly syns: number;
  readonly delayMs: number;
  readonly deadlineMs: number;
}

/** Where steps are told. */
export type Trace = (step: TraceStep) => void;
