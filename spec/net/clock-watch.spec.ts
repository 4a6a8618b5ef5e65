import { once } from 'node:events';
import { createServer } from 'node:http';
import { filter, firstValueFrom, map, Subject, type Observable } from 'rxjs';
import { reportClock } from '../../lib/cli/node-report.js';
import type { Net, NetStatus, TraceEvent } from '../../lib/index.js';
import { ClockWatch, type ClockStatus } from '../../lib/net/clock-watch.js';
import { systemRuntime } from '../../lib/runtime.js';
import { mailboxServer$, reachabilityServer$ } from '../../servers/index.js';
import { impatient } from '../support/impatient.js';
import { addressOf, Lab, newAddress } from '../support/nodes.js';

const MINUTE_MS = 60_000;

describe("A machine's clock", () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** Where a server listens, on an address of its own. */
  async function serve(serverAt$: (bind: string) => Observable<{ readonly local: { readonly port: number } }>) {
    const bind = newAddress();
    const port = await new Promise<number>((resolve, reject) => {
      lab.use(
        serverAt$(bind).subscribe({
          next: ({ local }) => {
            resolve(local.port);
          },
          error: reject,
        }),
      );
    });
    return `http://${bind}:${port}/`;
  }

  const mailbox = () => serve((bind) => mailboxServer$({ bind, port: 0 }));

  /** A net whose clock is ahead of the system's. */
  function netAhead(clock: { aheadMs: number }, config: Parameters<Lab['net']>[0]): Net {
    // Servers that are silent are asked for a sign of life each 20 s.
    const scheduler = impatient({ 20_000: 100 });
    return lab.net(config, { ...systemRuntime, scheduler, timeOfDay: () => Date.now() + clock.aheadMs });
  }

  const clockOf = ({ status$ }: Net, isIt: (clock: ClockStatus | undefined) => boolean) =>
    firstValueFrom(
      status$.pipe(
        map(({ clock }) => clock),
        filter(isIt),
      ),
    );

  const isClock = (step: TraceEvent) => step.type === 'clock';

  it("is told in words to be wrong where two servers' answers say so, in the status and once a server in the trace", async () => {
    const urls = await Promise.all([mailbox(), mailbox()]);
    const net = netAhead({ aheadMs: 10 * MINUTE_MS }, { mailbox: urls });
    const steps = lab.collect(net.trace$.pipe(filter(isClock)));
    await net.start();
    const clock = await clockOf(net, (each) => each?.isCertain === true);
    const servers = jasmine.arrayWithExactContents(urls) as unknown as string[];
    expect(clock).toEqual({
      aheadMs: jasmine.any(Number) as unknown as number,
      servers,
      isCertain: true,
      words: clock?.words ?? '',
    });
    expect(clock?.words).toMatch(/^the clock of this machine is 10 minutes fast, as http.* and http.* agree: set it$/);
    expect(steps).toHaveSize(2);
  });

  it('may be wrong when one server says so, and is right again after it was set', async () => {
    const clock = { aheadMs: -3 * 60 * MINUTE_MS };
    const url = await mailbox();
    const net = netAhead(clock, { mailbox: [url] });
    await net.start();
    const wrong = await clockOf(net, (each) => each !== undefined);
    expect(wrong?.isCertain).toBeFalse();
    expect(wrong?.words).toBe(
      `the clock of this machine and that of ${url} are 3 hours apart (this one is behind): set the one that is wrong`,
    );
    clock.aheadMs = 0;
    // By the server's next sign of life.
    expect(await clockOf(net, (each) => each === undefined)).toBeUndefined();
  });

  it('is compared with that of a server that was asked to dial back', async () => {
    const url = await serve((bind) => reachabilityServer$({ bind, port: 0 }));
    const net = netAhead({ aheadMs: 5 * MINUTE_MS }, { reachability: [url], portMapping: false });
    await net.start();
    expect((await clockOf(net, (each) => each !== undefined))?.words).toContain(`that of ${url} are 5 minutes apart`);
  });

  it('is not reported as wrong when servers have the same time', async () => {
    const url = await mailbox();
    const net = netAhead({ aheadMs: MINUTE_MS }, { mailbox: [url] });
    const steps = lab.collect(net.trace$.pipe(filter(isClock)));
    const isWell = firstValueFrom(
      net.trace$.pipe(filter((step) => step.type === 'server' && step.failure === undefined)),
    );
    const peer = lab.net({ mailbox: [url] });
    const attempt = net.connect$(await firstValueFrom(peer.unl$), { techniques: ['reverse-connect'] });
    lab.use(attempt.subscribe({ error: () => undefined }));
    await isWell;
    expect(steps).toEqual([]);
    expect((await firstValueFrom(net.status$)).clock).toBeUndefined();
  });

  it('is compared with that of a server that refuses, and is none of ours', async () => {
    const server = createServer((_, response) =>
      response.setHeader('date', 'Thu, 01 Jan 2099 00:00:00 GMT').writeHead(404).end(),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const net = lab.net({ mailbox: [`http://127.0.0.1:${addressOf(server).port}/`] });
    await net.start();
    expect((await clockOf(net, (each) => each !== undefined))?.words).toMatch(
      /are \d+ days apart \(this one is behind\)/,
    );
  });

  it('is reported once, when the words change, and when it is right again', () => {
    const status$ = new Subject<NetStatus>();
    const told: unknown[] = [];
    reportClock({ status$ }, (event, fields, words) => told.push([event, fields['aheadMs'], fields['certain'], words]));
    const clock = { aheadMs: 600_000, servers: ['http://a/'], isCertain: false, words: 'ten minutes' };
    const all = [
      undefined,
      clock,
      { ...clock, aheadMs: 600_001 },
      { ...clock, isCertain: true, words: 'certainly' },
      undefined,
      undefined,
    ];
    for (const each of all) status$.next({ clock: each } as NetStatus);
    expect(told).toEqual([
      ['clock', 600_000, false, 'ten minutes'],
      ['clock', 600_000, true, 'certainly'],
      ['clock', 0, false, 'the clock of this machine and those of the servers agree again'],
    ]);
  });
});

describe('ClockWatch', () => {
  const at = (host: string, minutes: number, uncertainMs = 500) => ({
    server: `http://${host}:8080/`,
    aheadMs: minutes * MINUTE_MS,
    uncertainMs,
  });

  /** What is news of all that is noted. */
  function watched(...reports: readonly ReturnType<typeof at>[]) {
    const watch = new ClockWatch();
    return { news: reports.map((report) => watch.note(report)), status: watch.status };
  }

  it('reports a difference once, until it changes or is over', () => {
    const { news } = watched(at('a', 10), at('a', 10.5), at('a', 10.9), at('a', 11.5), at('a', 0), at('a', 0));
    expect(news).toEqual([true, false, false, true, true, false]);
  });

  it('counts the round trip as uncertainty: it neither starts nor ends a report', () => {
    expect(watched(at('a', 2.1, 12_500))).toEqual({ news: [false], status: undefined });
    expect(watched(at('a', 2.1), at('a', 2.1, 12_500), at('a', 1.9, 12_500)).news).toEqual([true, false, false]);
  });

  it('is certain where more hosts agree with each other than with this machine, and counts no host twice', () => {
    const isCertain = (...reports: readonly ReturnType<typeof at>[]) => watched(...reports).status?.isCertain;
    expect(isCertain(at('a', 10), at('b', 10))).toBeTrue();
    expect(isCertain(at('a', 10), { ...at('a', 10), server: 'http://a:9090/' })).toBeFalse();
    expect(isCertain(at('a', 10), at('b', -10))).toBeFalse();
    expect(isCertain(at('a', 10), at('b', 10), at('c', 0), at('d', 0))).toBeFalse();
  });

  it('remembers so many hosts and no more', () => {
    expect(watched(...Array.from({ length: 100 }, (_, host) => at(`h${host}`, 10))).status?.servers).toHaveSize(64);
  });
});
