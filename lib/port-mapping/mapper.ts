import type { Observable, OperatorFunction, SchedulerLike } from 'rxjs';
import type { PortMappingProtocol, Timing } from '../config.js';
import type { Endpoint } from '../endpoint.js';
import type { Turn } from '../operators/take-turns.js';
import type { Gateway } from './gateway.js';
import type { Mapping } from './mapping.js';

/** A port to be opened, and by whom. */
export interface PortRequest {
  readonly gateway: Gateway;
  /** This node's own endpoint. For IPv4 the gateway maps one of its ports to it; for IPv6 it opens its firewall to it. */
  readonly internal: Endpoint;
  readonly timing: Timing;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /**
   * Serialises all changes in the gateway. Protocols share one table of mappings: if two ran at the same time, the loser's
   * clean-up would delete the winner's mapping.
   */
  readonly turn: Turn;
  /** Finishes clean-up after its caller has unsubscribed. */
  readonly runToEnd: (work$: Observable<unknown>) => void;
}

/**
 * A way to have a port opened. Emits the mapping when it is granted, and again whenever it changes or is renewed; fails
 * when it is refused or lost. Unsubscribed, it gives the mapping back.
 */
export type OpenPort = OperatorFunction<PortRequest, Mapping>;

/** A way to have a port opened, by its name. */
export interface PortMapper {
  readonly name: PortMappingProtocol;
  /** The families of addresses that it is for. */
  readonly families: readonly (4 | 6)[];
  readonly open: OpenPort;
}
