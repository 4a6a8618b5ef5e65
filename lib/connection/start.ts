import type { Limits, Timing } from '../config.js';
import type { Runtime } from '../runtime.js';
import type { Direction } from './connection.js';

/** What every connection of a net shares. */
export interface ConnectionContext {
  readonly runtime: Runtime;
  readonly timing: Timing;
  readonly limits: Limits;
}

/** What connections need of a node: of its whole configuration each would otherwise keep a copy. */
export function contextOf(
  { timing, limits }: Pick<ConnectionContext, 'timing' | 'limits'>,
  runtime: Runtime,
): ConnectionContext {
  return { timing, limits, runtime };
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
