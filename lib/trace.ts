import type { PeerId } from './identity.js';
import type { Endpoint } from './endpoint.js';
import type { LanStep } from './lan/steps.js';
import type { DiscoveryStep } from './rooms/discovery/steps.js';
import type { RoomStep } from './rooms/steps.js';
import type { SelfStep } from './self/steps.js';
import type { SignalStep } from './signalling/steps.js';
import type { AttemptStep } from './techniques/steps.js';

/** The events of a net itself. */
export type NetStep =
  /** The node listens. */
  | {
      readonly type: 'listening';
      /** Where: the address is `::` or `0.0.0.0` when it listens on all. */
      readonly local: Endpoint;
    }
  /** A rendezvous server named nodes. */
  | {
      readonly type: 'bootstrap';
      /** How many. */
      readonly nodes: number;
    }
  /** Background work has ended although the net is still open: a bug of this library, please report it. */
  | {
      readonly type: 'fault';
      /** What happened, in words. */
      readonly reason: string;
    }
  /** A line that was not passed on. */
  | {
      readonly type: 'dropped';
      /** A line from a connection. */
      readonly what: 'line';
      /** Who sent it. */
      readonly peerId: PeerId;
      /** Why it was not passed on, in words. */
      readonly reason: string;
    };

/** What can be told of the work of a net, without its time. */
export type TraceStep = NetStep | AttemptStep | SelfStep | SignalStep | LanStep | DiscoveryStep | RoomStep;

/** One step of the work of a net, with the time at which it was taken, in milliseconds since the epoch. */
export type TraceEvent = TraceStep & {
  /** When it was taken, in milliseconds since the epoch. */
  readonly at: number;
};

/** Where steps are told. */
export type Trace = (step: TraceStep) => void;
