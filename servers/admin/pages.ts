import { siteOf } from '../../lib/bounds/site.js';
import { say, sayJson } from '../http/answers.js';
import type { Exchange, HttpService } from '../http/service.js';
import { EventStreams } from './event-streams.js';
import { isOfAnotherSite, isOwnHost } from './host-check.js';
import type { Metrics } from './metrics.js';
import { readPage } from './page.js';
import type { ReadinessCheck } from './readiness.js';
import type { Sample, Status } from './status.js';

/** What there is to show. */
interface PagesConfig {
  /** Names by which the pages are asked for. */
  readonly names: ReadonlySet<string>;
  readonly metrics: Metrics;
  readonly readiness: ReadinessCheck;
  readonly statusWith: (sample: Sample) => Status;
}

/** Samples that a page is given when it comes: those of five minutes. */
const MAX_SAMPLES = 300;

/** For browsers: nothing is taken for what it is not, and nothing tells other sites of it. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

/** Answers requests of those who look at servers. */
export class Pages {
  readonly #page = readPage();
  readonly #streams = new EventStreams();
  readonly #samples: Sample[] = [];

  constructor(readonly config: PagesConfig) {}

  /** Shows a new sample, with how servers are now. */
  show(sample: Sample): void {
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.splice(0, this.#samples.length - MAX_SAMPLES);
    this.#streams.tellAll('status', () => this.config.statusWith(sample));
  }

  readonly service: HttpService = (exchange) => {
    const { method, request, response } = exchange;
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (!isOwnHost(request.headers.host, request.socket.localAddress, this.config.names)) {
      say(response, 421, 'This server is not known by the name in the request.\n');
    } else if (isOfAnotherSite(request.headers)) {
      say(response, 403, 'Pages of other sites may not ask.\n');
    } else if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      say(response, 405, 'Expected GET.\n');
    } else {
      this.#answer(exchange);
    }
    return true;
  };

  #answer({ url, method, address, response }: Exchange): void {
    const { metrics, readiness } = this.config;
    switch (url.pathname) {
      case '/healthz':
        say(response, 200, 'ok\n');
        return;
      case '/readyz':
        sayJson(response, readiness.now, readiness.now.ready ? 200 : 503);
        return;
      case '/metrics':
        metrics.text().then(
          (text) => {
            say(response, 200, text, metrics.contentType);
          },
          () => {
            response.destroy();
          },
        );
        return;
      case '/events':
        if (method !== 'GET' || !this.#streams.open(response, siteOf(address), this.#samples)) {
          say(response, 503, 'Too many look at this server already.\n');
        }
        return;
      case '/':
        for (const [name, value] of Object.entries(this.#page.headers)) response.setHeader(name, value);
        say(response, 200, this.#page.html, 'text/html; charset=utf-8');
        return;
      default:
        say(response, 404, 'There is nothing here. Try /, /healthz, /readyz or /metrics.\n');
    }
  }
}
