import type { PortMappingProtocol } from './config.js';
import type { CloseReason } from './connection/close-reason.js';
import type { Endpoint, ServerAddress } from './endpoint.js';
import type { PeerId } from './identity.js';
import type { PunchReport } from './link/punch.js';
import type { PunchSide } from './nat/punch-plan.js';
import type { Outcome } from './operators/trace-outcome.js';
import type { Reach } from './reachability.js';
import type { ClockReading } from './server-clock.js';
import type { NatType } from './unl/types.js';

/** What can be told of the work of a net, without its time. */
export type TraceStep =
  /** The node listens. */
  | {
      readonly type: 'listening';
      /** Where: the address is `::` or `0.0.0.0` when it listens on all. */
      readonly local: Endpoint;
    }
  /** An attempt to connect, from `connect$` or to fill a slot. */
  | (Outcome & {
      readonly type: 'attempt';
      /** Names the attempt on both sides. */
      readonly attemptId: string;
      /** The peer that is to be reached. */
      readonly peerId: PeerId;
    })
  /** One technique of an attempt. `cancelled` when another was faster. */
  | (Outcome & {
      readonly type: 'technique';
      /** The attempt that it is part of. */
      readonly attemptId: string;
      /** Its name, as in `ConnectOptions.techniques`. */
      readonly technique: string;
    })
  /** One dial of a technique. */
  | (Outcome & {
      readonly type: 'dial';
      /** The attempt that it is part of. */
      readonly attemptId: string;
      /** Where to. */
      readonly endpoint: Endpoint;
    })
  /** An inbound connection that did not become one. */
  | {
      readonly type: 'inbound-failed';
      /** Where it came from. */
      readonly remote: Endpoint;
      /** What was wrong with it, in words. */
      readonly reason: string;
    }
  /** A connection that both sides hold. */
  | {
      readonly type: 'connection';
      /** The peer at its other end. */
      readonly peerId: PeerId;
      /** `outbound` when this node dialled. */
      readonly direction: 'inbound' | 'outbound';
    }
  /** A connection ended. */
  | {
      readonly type: 'connection-closed';
      /** The peer at its other end. */
      readonly peerId: PeerId;
      /** Why it ended, and who ended it. */
      readonly reason: CloseReason;
    }
  /** A session with a rendezvous server. */
  | {
      readonly type: 'rendezvous';
      /** The server, as it was named. */
      readonly server: ServerAddress;
      /** `lost` sessions are opened again by themselves. */
      readonly state: 'connected' | 'lost';
      /** Why it was lost, in words. */
      readonly reason?: string;
    }
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
    } & ClockReading)
  /** The node has joined the DHT. */
  | {
      readonly type: 'dht';
      readonly state: 'joined';
      /** Its UDP endpoint. */
      readonly local: Endpoint;
    }
  /** The node could not join the DHT. */
  | {
      readonly type: 'dht';
      readonly state: 'failed';
      /** Why, in words. */
      readonly reason: string;
    }
  /** One round of a simultaneous open. */
  | ({ readonly type: 'punch' } & PunchStep)
  /** What the servers have shown of this node's NAT, by one family of addresses. */
  | {
      readonly type: 'nat';
      /** The family of addresses: IPv4 or IPv6. */
      readonly family: 4 | 6;
      /** How the NAT maps ports. */
      readonly natType: NatType;
      /** The share of the samples that agree with that, from 0 to 1. */
      readonly confidence: number;
      /** The public addresses at which servers saw this node, the most frequent first. */
      readonly addresses: readonly string[];
      /** How many ports were looked at. */
      readonly samples: number;
    }
  /** How one protocol fares that asks the gateway to open a port. */
  | (Outcome & {
      readonly type: 'port-mapping';
      /** The protocol. */
      readonly protocol: PortMappingProtocol;
    })
  /** Whether others can dial this node by one family of addresses. */
  | (Reach & {
      readonly type: 'reach';
      /** Since the search for a way began, in milliseconds. */
      readonly elapsedMs: number;
    })
  /** A rendezvous server named nodes. */
  | {
      readonly type: 'bootstrap';
      /** How many. */
      readonly nodes: number;
    }
  /** The system does not tell this machine's addresses; the locator then names those that it told last, or of the default routes. */
  | {
      readonly type: 'interfaces';
      /** Why, in words. */
      readonly reason: string;
    }
  /** Something that should go on for as long as the net does has ended: a mistake of ours, to be reported. */
  | {
      readonly type: 'fault';
      /** What happened, in words. */
      readonly reason: string;
    }
  /** A signal to a peer, and what became of it. */
  | {
      readonly type: 'signal';
      readonly step: 'sent';
      /** Whom it is for. */
      readonly peerId: PeerId;
      /** What it is: the `kind` of the signal. */
      readonly kind: string;
      /** What became of it. */
      readonly delivery: 'delivered' | 'kept' | 'absent';
    }
  /** A signal from a peer. */
  | {
      readonly type: 'signal';
      readonly step: 'received';
      /** Who sent it. */
      readonly peerId: PeerId;
      /** What it is: the `kind` of the signal. */
      readonly kind: string;
      /** What brought it. */
      readonly by: 'rendezvous' | 'dht' | 'mailbox';
    }
  /** A line or message that was not passed on. */
  | {
      readonly type: 'dropped';
      /** Which of them. */
      readonly what: 'line' | 'message';
      /** Who sent it; of a message that is not always known. */
      readonly peerId: PeerId | undefined;
      /** Why it was not passed on, in words. */
      readonly reason: string;
    };

/** How it stands with a server, as its last answer or failure has shown. */
export interface ServerReport {
  /** What the server is used for. */
  readonly kind: 'rendezvous' | 'mailbox' | 'DHT' | 'reachability';
  /** As it was named: `host:port`, or a URL. */
  readonly server: string;
  /** What the server does or is, as in "cannot be reached (ENOTFOUND)"; `undefined` when it answers. */
  readonly failure: string | undefined;
}

/** One step of the work of a net, with the time at which it was taken, in milliseconds since the epoch. */
export type TraceEvent = TraceStep & {
  /** When it was taken, in milliseconds since the epoch. */
  readonly at: number;
};

/** A step of a punch, to be told. */
export type PunchStep = {
  /** The attempt that it is part of. */
  readonly attemptId: string;
  /** The peer that is punched to. */
  readonly peerId: PeerId;
  /** Which round of the attempt it belongs to, from 0. */
  readonly round: number;
  /** Who asked for it. */
  readonly by: 'us' | 'peer';
} & (
  | /** The peer was asked. */ {
      readonly step: 'asked';
      /** How this side looks. */
      readonly own: PunchSide;
    }
    /** Both sides are known, and what this one does. */
  | {
      readonly step: 'planned';
      /** How this side looks. */
      readonly own: PunchSide;
      /** How the peer looks. */
      readonly peer: PunchSide;
      /** What this side does. */
      readonly plan: PunchSummary;
    }
  /** No punch is possible, or the peer takes no part. */
  | {
      readonly step: 'refused';
      /** Why, in words. */
      readonly reason: string;
    }
  /** The round is over. */
  | ({ readonly step: 'over' } & PunchReport)
);

/** A plan in short. */
export interface PunchSummary {
  /** SYNs to be sent, without those that are sent again. */
  readonly syns: number;
  /** When the first leaves, in milliseconds. */
  readonly delayMs: number;
  /** When the round is given up, in milliseconds. */
  readonly deadlineMs: number;
}

/** Where steps are told. */
export type Trace = (step: TraceStep) => void;
