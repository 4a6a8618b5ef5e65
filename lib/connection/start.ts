import type { Limits, Timing } from '../config.js';
import type { Runtime } from '../runtime.js';
import type { Direction } from './connection.js';
import { Heartbeats } from './heartbeats.js';

/** What every connection of a net shares. */
export interface ConnectionContext {
  readonly runtime: Runtime;
  readonly timing: Timing;
  readonly limits: Limits;
  readonly heartbeats: Heartbeats;
}

/** What the connections of a node need of it. Make it once for all of them. */
export function contextOf(
  { timing, limits }: Pick<ConnectionContext, 'timing' | 'limits'>,
  runtime: Runtime,
): ConnectionContext {
  return { timing, limits, runtime, heartbeats: new Heartbeats(runtime.scheduler, timing.heartbeatMs) };
}

/** How a connection begins. */
export interface ConnectionStart {
  readonly id: string;
  readonly direction: Direction;
  /** Whether the peer has agreed to this connection. If not yet, its hello on the link will. */
  readonly confirmed: boolean;
  /** Whether this side chooses among several links. Of two nodes with keys, exactly one does. Not used on plain links. */
  readonly isControlling: boolean;
  /** The peer's attempt that this connection answers. */
  readonly attempt?: string | undefined;
}
