import type { Limits, Timing } from '../config.js';
import type { Runtime } from '../runtime.js';
import type { Direction } from './connection.js';

/** What a connection needs around it. */
export interface ConnectionContext {
  readonly runtime: Runtime;
  readonly timing: Timing;
  readonly limits: Limits;
}

/** How a connection begins. */
export interface ConnectionStart {
  readonly id: string;
  readonly direction: Direction;
  /** Whether the peer is known to hold this connection too. Where not, its hello on the link will tell. */
  readonly confirmed: boolean;
  /** Whether this side chooses among links: exactly one of two that are proven does. Of no meaning for plain links. */
  readonly isControlling: boolean;
  /** The peer's attempt that this connection answers. */
  readonly attempt?: string | undefined;
}
