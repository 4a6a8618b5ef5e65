import type { Observable, OperatorFunction, SchedulerLike } from 'rxjs';
import type { PortMappingProtocol, Timing } from '../config.js';
import type { Endpoint } from '../endpoint.js';
import type { Turn } from '../operators/take-turns.js';
import type { Gateway } from './gateway.js';
import type { Mapping } from './mapping.js';

/** Which gateway is asked, and by whom. */
export interface GatewayQuestion {
  readonly gateway: Gateway;
  /** This node's own endpoint. For IPv4 the gateway maps one of its ports to it; for IPv6 it opens its firewall to it. */
  readonly internal: Endpoint;
  readonly scheduler: SchedulerLike;
}

/** What a gateway says of itself by one protocol. */
export interface GatewayAnswer {
  /** Its address outside; `undefined` where the protocol does not tell that. */
  readonly external?: string | undefined;
  /** What it calls itself, by its maker, for display; `undefined` where the protocol does not tell that. */
  readonly name?: string | undefined;
  /** Why it does not tell its address outside, where the protocol would; `undefined` where it is as it should be. */
  readonly failure?: unknown;
}

/** A port to be opened, and by whom. */
export interface PortRequest extends GatewayQuestion {
  readonly timing: Timing;
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
  /** Asks whether the gateway speaks the protocol, and changes nothing there. Emits its answer and completes; fails as `open` does. */
  readonly ask$: (question: GatewayQuestion) => Observable<GatewayAnswer>;
}
