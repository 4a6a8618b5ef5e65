import { lastValueFrom, of, Subject } from 'rxjs';
import { reportConnection, reportServers } from '../../lib/cli/node-report.js';
import { eachUnl$, lanOf } from '../../lib/cli/terminal.js';
import type { CloseReason } from '../../lib/connection/close-reason.js';
import type { Path } from '../../lib/connection/path.js';
import type { TraceEvent } from '../../lib/trace.js';

const relayed: Path = {
  technique: 'relay',
  direct: false,
  local: { address: '192.168.1.2', port: 1 },
  remote: { address: '192.0.2.1', port: 8001 },
  roundTripMs: undefined,
};
const punched: Path = {
  ...relayed,
  technique: 'simultaneous-open',
  direct: true,
  remote: { address: '192.0.2.7', port: 7 },
};

describe('The report of a connection', () => {
  interface Told {
    readonly event: string;
    readonly fields: Readonly<Record<string, unknown>>;
    readonly words: string | undefined;
  }

  function reported(...paths: readonly Path[]): { told: readonly Told[]; closed: Subject<CloseReason> } {
    const told: Told[] = [];
    const closed = new Subject<CloseReason>();
    reportConnection({ peerId: 'Bob', path$: of(...paths), closed$: closed }, 250, (event, fields, words) => {
      told.push({ event, fields, words });
    });
    return { told, closed };
  }

  it('tells the first way as the connection, and each other way once, not each round trip', () => {
    const { told } = reported(
      relayed,
      { ...relayed, roundTripMs: 80 },
      punched,
      { ...punched, roundTripMs: 40 },
      relayed,
      { ...relayed, local: { address: '192.168.1.2', port: 2 } },
    );
    expect(told.map(({ event, fields }) => [event, fields['technique'], fields['direct'], fields['local']])).toEqual([
      ['connected', 'relay', false, '192.168.1.2:1'],
      ['path', 'simultaneous-open', true, '192.168.1.2:1'],
      ['path', 'relay', false, '192.168.1.2:1'],
      ['path', 'relay', false, '192.168.1.2:2'],
    ]);
  });

  it('counts every way from the start of the connection', () => {
    const [connected, path] = reported(relayed, punched).told;
    expect(connected?.fields).toEqual({
      peerId: 'Bob',
      technique: 'relay',
      direct: false,
      elapsedMs: 250,
      local: '192.168.1.2:1',
      remote: '192.0.2.1:8001',
    });
    expect(path?.fields['elapsedMs']).toBeGreaterThanOrEqual(250);
  });

  it('has words for people', () => {
    expect(reported(relayed, punched, relayed).told.map(({ words }) => words)).toEqual([
      'connected to Bob at 192.0.2.1:8001 (relay, relayed, 250 ms)',
      'now by simultaneous-open at 192.0.2.7:7 (direct)',
      'now by relay at 192.0.2.1:8001 (relayed)',
    ]);
  });

  it('ends with the reason', () => {
    const { told, closed } = reported(punched);
    closed.next({ code: 'lost', by: 'peer', message: 'the link broke' });
    expect(told.at(-1)).toEqual({
      event: 'closed',
      fields: { peerId: 'Bob', reason: 'lost', by: 'peer', message: 'the link broke' },
      words: 'closed: the link broke',
    });
  });
});

describe('The report of servers', () => {
  it('tells in words of each that cannot be used, and when it can be again, but not of those that are well', () => {
    const words: (string | undefined)[] = [];
    const events: unknown[] = [];
    const trace$ = new Subject<TraceEvent>();
    reportServers({ trace$ }, (event, fields, text) => {
      events.push([event, fields['reachable'], fields['failure']]);
      words.push(text);
    });
    const step = { type: 'server', kind: 'rendezvous', server: 'nosuch.invalid:8000', at: 0 } as const;
    trace$.next({ ...step, failure: 'cannot be reached (ENOTFOUND)' });
    trace$.next({ ...step, failure: undefined });
    trace$.next({ ...step, kind: 'mailbox', server: 'http://a/', failure: undefined });
    expect(words).toEqual([
      'rendezvous server nosuch.invalid:8000 cannot be reached (ENOTFOUND), trying again',
      'rendezvous server nosuch.invalid:8000 can be reached again',
      undefined,
    ]);
    expect(events).toEqual([
      ['server', false, 'cannot be reached (ENOTFOUND)'],
      ['server', true, undefined],
      ['server', true, undefined],
    ]);
  });
});

describe('The locator of a program that listens', () => {
  it('is handed on once; each later one is told in words and as an event', async () => {
    const told: unknown[] = [];
    const net = { unl$: of('first', 'second'), peerId: 'us' };
    const first = (unl: string) => {
      told.push(unl);
    };
    await lastValueFrom(eachUnl$(net, first, (event, fields, words) => told.push([event, fields['unl'], words])));
    expect(told).toEqual(['first', ['unl', 'second', 'the network has changed, and with it the UNL: second']]);
  });
});

describe('The local network, from the command line', () => {
  it('is used unless told otherwise, but not by a node on loopback', () => {
    expect(lanOf({})).toBeTrue();
    expect(lanOf({ bind: '192.168.1.7' })).toBeTrue();
    expect(lanOf({ bind: 'fe80::1%eth0' })).toBeTrue();
    expect(lanOf({ bind: '127.0.0.5' })).toBeFalse();
    expect(lanOf({ bind: '::1' })).toBeFalse();
    expect(lanOf({ lan: false })).toBeFalse();
    expect(lanOf({ lan: true, bind: '127.0.0.5' })).toBeTrue();
  });
});
