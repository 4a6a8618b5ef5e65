import type { Registry } from 'prom-client';
import { loadPromClient } from '../../lib/packages.js';
import type { Timed } from '../watch.js';
import type { Figures } from './figures.js';
import { COUNTERS, GAUGES, KEPT_BUCKETS, STORE_BUCKETS, WRITE_BUCKETS } from './metric-names.js';
import type { Tally } from './tally.js';

/** The figures in the text format of Prometheus. */
export interface Metrics {
  readonly contentType: string;
  readonly text: () => Promise<string>;
  /** Something took so many milliseconds. */
  readonly took: (what: Timed, ms: number) => void;
}

/** What metrics tell. */
interface MetricsConfig {
  readonly figures: Figures;
  readonly isReady: () => boolean;
  readonly version: string;
}

/** What is known of the process. It is made once: prom-client never stops looking at the event loop and at collections of garbage. */
let ofProcess: Registry | undefined;

/** Counts with their labels. */
type Counts = readonly { readonly labels: Readonly<Record<string, string>>; readonly count: number }[];

/**
 * Makes metrics: what servers tell, and what Node tells of the process and of its event loop. All are read when they are asked for.
 *
 * @throws UnavailableError when prom-client is not installed.
 */
export async function createMetrics({ figures, isReady, version }: MetricsConfig): Promise<Metrics> {
  const { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } = await loadPromClient();
  const registry = new Registry();
  const registers = [registry];
  if (ofProcess === undefined) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess });
  }

  const counter = (name: string, help: string, labelNames: string[], read: (figures: Figures) => Counts) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { labels, count } of read(figures)) this.inc(labels, count);
      },
    });
  for (const { counted, name, help, label, kinds } of COUNTERS) {
    counter(name, help, label === undefined ? [] : [label], ({ counts }) =>
      [...new Set([...kinds, ...counts.kindsOf(counted)])].map((kind) => ({
        labels: label === undefined ? {} : { [label]: kind },
        count: counts.of(counted, kind),
      })),
    );
  }
  counter('rxp2p_refusals_total', 'Callers that were refused, by server and reason.', ['server', 'reason'], (all) =>
    countsOf(all.refusals, 'server', 'reason'),
  );
  counter('rxp2p_http_requests_total', 'Requests of HTTP, by service and status.', ['service', 'status'], (all) =>
    countsOf(all.answers, 'service', 'status'),
  );
  counter('rxp2p_relay_bytes_total', 'Bytes that the relay has passed on.', [], (all) => [
    { labels: {}, count: all.read('relayBytes') },
  ]);

  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  for (const { read, name, help, per = 1 } of GAUGES) gauge(name, help, () => figures.read(read) / per);
  gauge('rxp2p_ready', 'Whether the servers take callers in: 1, or 0.', () => Number(isReady()));
  new Gauge({ name: 'rxp2p_info', help: 'The version.', labelNames: ['version'], registers }).set({ version }, 1);

  const histogram = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({ name, help, buckets, labelNames, registers });
  const store = histogram('rxp2p_store_request_seconds', 'How long the store took to answer.', STORE_BUCKETS, [
    'request',
  ]);
  const write = histogram('rxp2p_mailbox_write_seconds', 'How long the mailbox took to keep a message.', WRITE_BUCKETS);
  const kept = histogram(
    'rxp2p_mailbox_kept_seconds',
    'How long messages were kept until their receiver had them.',
    KEPT_BUCKETS,
  );
  const all = Registry.merge([registry, ofProcess]);
  return {
    contentType: all.contentType,
    text: () => all.metrics(),
    took(what, ms) {
      if (what === 'mailbox write') write.observe(ms / 1_000);
      else if (what === 'mailbox kept') kept.observe(ms / 1_000);
      else store.observe({ request: what.slice('store '.length) }, ms / 1_000);
    },
  };
}

function countsOf(tally: Tally, one: string, other: string): Counts {
  return Array.from(tally.entries(), ([name, kind, count]) => ({ labels: { [one]: name, [other]: kind }, count }));
}
