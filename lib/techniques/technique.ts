import type { Observable, OperatorFunction, SchedulerLike } from 'rxjs';
import type { Timing } from '../config.js';
import type { Endpoint } from '../endpoint.js';
import type { Link } from '../link/link.js';
import type { Signalling } from '../signalling/signalling.js';
import type { Unl } from '../unl/types.js';

/** One run of `connect$`: who is to be reached, from where, and with what. */
export interface Attempt {
  readonly id: string;
  readonly peer: Unl;
  /** This node's own locator as it is now; its endpoints tell what is near. */
  readonly own: Unl;
  /** Opens a link to the peer at an endpoint, its key proven. Fails for anybody else. */
  readonly dial$: (endpoint: Endpoint, technique: string) => Observable<Link>;
  /** Small messages to the peer, for techniques in which both sides take part. */
  readonly signalling: Signalling;
  readonly timing: Timing;
  readonly scheduler: SchedulerLike;
}

/** A way to the peer of an attempt. Emits the link it makes and completes, or fails; unsubscribed, it gives up. */
export type Dial = OperatorFunction<Attempt, Link>;

/** A traversal technique by its name, which is what `--technique` and the outcomes call it. */
export interface Technique {
  readonly name: string;
  readonly dial: Dial;
}

/** The techniques of one stage are tried side by side; each stage has a head start over the next. */
export type Stages = readonly (readonly Technique[])[];
