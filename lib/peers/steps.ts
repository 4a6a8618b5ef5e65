import type { CloseReason } from '../connection/close-reason.js';
import type { Endpoint } from '../endpoint.js';
import type { PeerId } from '../identity.js';
import type { Outcome } from '../operators/trace-outcome.js';
import type { Direction } from '../connection/connection.js';

/** What is traced of links and connections to peers. */
export type PeerStep =
  /** One dial of a technique. */
  | (Outcome & {
      readonly type: 'dial';
      /** The attempt that it is part of. */
      readonly attemptId: string;
      /** Where to. */
      readonly endpoint: Endpoint;
    })
  /** An inbound socket that did not become a connection. */
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
      readonly direction: Direction;
    }
  /** A connection ended. */
  | {
      readonly type: 'connection-closed';
      /** The peer at its other end. */
      readonly peerId: PeerId;
      /** Why it ended, and who ended it. */
      readonly reason: CloseReason;
    };

/** Receives these steps. */
export type PeerTrace = (step: PeerStep) => void;
