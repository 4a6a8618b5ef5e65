import type { Endpoint } from '../endpoint.js';
import type { PeerId } from '../identity.js';
import type { ServerStep } from '../server-report.js';
import type { CarrierName, Delivery } from './carrier.js';

/** What is told of signals and of what carries them. */
export type SignalStep =
  /** A signal to a peer, and what became of it. */
  | {
      readonly type: 'signal';
      readonly step: 'sent';
      /** Whom it is for. */
      readonly peerId: PeerId;
      /** What it is: the `kind` of the signal. */
      readonly kind: string;
      /** What became of it. */
      readonly delivery: Delivery;
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
      readonly by: CarrierName;
    }
  /** A message that was not passed on. */
  | {
      readonly type: 'dropped';
      /** A signal, or a message of PyP2P's mailbox. */
      readonly what: 'message';
      /** Who sent it; of a message that is not always known. */
      readonly peerId: PeerId | undefined;
      /** Why it was not passed on, in words. */
      readonly reason: string;
    }
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
  | ServerStep;

/** Receives these steps. */
export type SignalTrace = (step: SignalStep) => void;
