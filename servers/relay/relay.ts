import type { Observable } from 'rxjs';
import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import { siteOf } from '../../lib/bounds/site.js';
import {
  decodeJoin,
  isAuthorized,
  REFUSALS,
  RELAY_HEADER,
  RELAY_PROTOCOL,
  type JoinRequest,
  type RefusalCode,
} from '../../lib/techniques/relay/protocol.js';
import type { Runtime } from '../../lib/runtime.js';
import { say, sayRefused } from '../http/answers.js';
import type { Exchange, HttpService } from '../http/service.js';
import { faultOf } from '../http/signed.js';
import type { Watch } from '../watch.js';
import { Counters, type RelayCounters } from './counters.js';
import type { RelayServerLimits } from './limits.js';
import { Sessions } from './sessions.js';

/** What a {@link Relay} needs. */
interface RelayConfig {
  /** The names by which clients know this server. `undefined`: any. */
  readonly hosts: ReadonlySet<string> | undefined;
  readonly limits: RelayServerLimits;
  readonly runtime: Runtime;
  readonly watch: Watch;
}

/** Answers requests to join: lets a node in that has signed its request, and whose token is good, and hands it to {@link Sessions}. */
export class Relay {
  readonly #counters: Counters;
  readonly #sessions: Sessions;
  readonly #mayAsk: (site: string) => boolean;

  #isDraining = false;

  /** Tokens that were used before are not remembered. */
  readonly #started: number;

  readonly counters$: Observable<RelayCounters>;

  constructor(readonly config: RelayConfig) {
    const { limits, runtime, watch } = config;
    const { requestsPerSecond, requestBurst } = limits;
    this.#counters = new Counters(watch);
    this.counters$ = this.#counters.latest$;
    this.#started = runtime.timeOfDay();
    this.#sessions = new Sessions({ limits, counters: this.#counters, runtime });
    this.#mayAsk = siteBuckets({
      perSecond: requestsPerSecond,
      burst: requestBurst,
      now: () => runtime.scheduler.now(),
    });
  }

  /** Takes nobody in any more, and sends those away who wait for another; pairs go on. */
  drain(): void {
    this.#isDraining = true;
    this.#sessions.drain();
  }

  close(): void {
    this.#counters.close();
    this.#sessions.close();
  }

  /** Below any path, as a proxy may have it. */
  readonly service: HttpService = (exchange) => {
    const { method, url, address, request, response, upgrade } = exchange;
    if (method !== 'GET' || !url.pathname.endsWith('/relay')) return false;
    if (upgrade?.protocol !== RELAY_PROTOCOL) {
      response.setHeader('upgrade', RELAY_PROTOCOL);
      say(response, 426, `Expected an upgrade to ${RELAY_PROTOCOL}.\n`);
      return true;
    }
    const site = siteOf(address);
    if (this.#isDraining) {
      this.#refuse(exchange, 'server-full', 'this relay is about to end');
      return true;
    }
    if (!this.#mayAsk(site)) {
      this.#refuse(exchange, 'too-often', 'too many requests from this address');
      return true;
    }
    const header = request.headers[RELAY_HEADER];
    const join = typeof header === 'string' ? decodeJoin(header) : undefined;
    if (typeof header !== 'string' || join === undefined) {
      this.#refuse(exchange, 'malformed', `expected a request to join in the header ${RELAY_HEADER}`);
      return true;
    }
    const refusal = this.#refusalOf(join, header, request.headers) ?? this.#sessions.refusalOf(join, site);
    if (refusal !== undefined) this.#refuse(exchange, ...refusal);
    else this.#sessions.join(join, upgrade.accept(), site);
    return true;
  };

  /** Why a request is refused, if it is, whatever sessions there are. */
  #refusalOf(
    { from, at }: JoinRequest,
    header: string,
    headers: Exchange['request']['headers'],
  ): readonly [RefusalCode, string] | undefined {
    const fault = faultOf({
      headers,
      at,
      now: this.config.runtime.timeOfDay(),
      hosts: this.config.hosts,
      isAuthorized: (host, authorization) => isAuthorized(from, host, header, authorization),
    });
    if (fault !== undefined) return fault;
    return at < this.#started ? ['untimely', 'the request is from before the start of this relay'] : undefined;
  }

  #refuse({ response, address }: Exchange, refused: RefusalCode, words: string): void {
    const { runtime, watch } = this.config;
    sayRefused(response, REFUSALS[refused], { refused, words, now: runtime.timeOfDay() });
    watch.refused('relay', refused, siteOf(address));
    this.#counters.refused(refused);
  }
}
