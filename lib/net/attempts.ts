import type { SecureContext } from 'node:tls';
import { defer, finalize, map, NEVER, of, race, share, take, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { connectBy } from '../connect.js';
import type { PeerConnection } from '../connection.js';
import { traceOutcome } from '../operators/trace-outcome.js';
import type { Runtime } from '../runtime.js';
import type { Signalling } from '../signalling/signalling.js';
import type { Challenging } from '../techniques/challenging.js';
import type { Punching } from '../techniques/punching.js';
import type { Relaying } from '../techniques/relaying.js';
import type { ReverseQuerying } from '../techniques/reverse-querying.js';
import type { StagesFor } from '../techniques/stages.js';
import type { Attempt, Stages } from '../techniques/technique.js';
import type { Trace } from '../trace.js';
import { connectionKeyOf, peerNameOf } from '../unl.js';
import type { Unl } from '../unl/types.js';
import { dialPeer$ } from './dial.js';
import type { Peers } from './peers.js';

/** What attempts work with. */
export interface AttemptsConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureContext;
  readonly peers: Peers;
  readonly trace: Trace;
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
  readonly signalling: Signalling;
  /** What simultaneous opens take; without it there are none. */
  readonly punching?: Punching | undefined;
  /** What meetings at relays take; without it there are none. */
  readonly relaying?: Relaying | undefined;
  /** What PyP2P's challenges take; without it there are none. */
  readonly challenging?: Challenging | undefined;
  /** What PyP2P's reverse connects take; without it there are none. */
  readonly reverseQuerying?: ReverseQuerying | undefined;
  /** Fails when the net is closed. */
  readonly closed$: Observable<never>;
}

/** The attempts to connect that are under way, at most one to each peer, however many wait for it. */
export class Attempts {
  readonly #pending = new Map<string, Observable<PeerConnection>>();

  constructor(readonly given: AttemptsConfig) {}

  /** Hands over the connection to a peer: the one that is open, or the one that an attempt makes. */
  connect$(peer: Unl, stagesFor: StagesFor, timeoutMs: number | undefined): Observable<PeerConnection> {
    return defer(() => {
      const stages = stagesFor(peer);
      const existing = this.given.peers.get(connectionKeyOf(peer));
      if (existing !== undefined) return of(existing);
      // Those who want it otherwise do not share an attempt; of two that succeed one connection results all the same.
      const techniques = stages.flat().map((technique) => technique.name);
      const name = JSON.stringify([connectionKeyOf(peer), techniques, timeoutMs]);
      const attempt$ =
        this.#pending.get(name) ??
        this.#attempt$(peer, stages, timeoutMs).pipe(
          finalize(() => this.#pending.delete(name)),
          share(),
        );
      this.#pending.set(name, attempt$);
      return attempt$;
    });
  }

  /** Dials by every technique, unless the peer is here first. */
  #attempt$(peer: Unl, stages: Stages, timeoutMs: number | undefined): Observable<PeerConnection> {
    return defer(() => {
      const {
        config,
        runtime,
        peers,
        trace,
        own,
        signalling,
        punching,
        relaying,
        challenging,
        reverseQuerying,
        closed$,
      } = this.given;
      const { scheduler } = runtime;
      const id = runtime.newId();
      const peerId = peerNameOf(peer);
      const attempt: Attempt = {
        id,
        peer,
        own: own(),
        dial$: (endpoint, technique) =>
          dialPeer$(
            endpoint,
            { technique, attemptId: id, peerId: peer.version === 3 ? peer.peerId : undefined },
            this.given,
          ),
        expect$: (technique) => peers.expect$(id, peerId, technique),
        signalling,
        punching,
        relaying,
        challenging,
        reverseQuerying,
        timing: timeoutMs === undefined ? config.timing : { ...config.timing, techniqueMs: timeoutMs },
        scheduler,
      };
      const dialled$ = of(attempt).pipe(
        connectBy(stages, trace),
        map((link) => peers.adopt(link)),
      );
      const arrived$ = config.security === 'tls' ? peers.arrival$(peerId) : NEVER;
      return race(arrived$, dialled$, closed$).pipe(
        take(1),
        traceOutcome(scheduler, (outcome) => {
          trace({ type: 'attempt', attemptId: id, peerId, ...outcome });
        }),
      );
    });
  }
}
