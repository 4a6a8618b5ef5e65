import { filter, firstValueFrom, lastValueFrom, map, ReplaySubject, toArray, type Observable } from 'rxjs';
import { PairingError, type InviteStep, type Net, type PairedPeer } from '../../../lib/index.js';
import { formatCode, parseCode } from '../../../lib/pairing/code.js';
import { CODE_WORDS } from '../../../lib/pairing/word-list.js';
import { systemRuntime } from '../../../lib/runtime.js';
import { memoryStore } from '../../../servers/store/memory.js';
import type { Store } from '../../../servers/store/store.js';
import { unwatched, type GaugeName } from '../../../servers/watch.js';
import { HeldTimer } from '../../support/held-timer.js';
import { Lab } from '../../support/nodes.js';
import { freeEndpoint } from '../../support/free-port.js';

/** The code of an invitation, and what comes after it. */
interface Shown {
  readonly code: string;
  readonly expiresAt: Date;
  /** Who has typed it. */
  readonly peer: Promise<PairedPeer>;
  readonly giveUp: () => void;
}

/** How an Observable fails. */
async function failureOf(source$: Observable<unknown>): Promise<unknown> {
  try {
    await lastValueFrom(source$, { defaultValue: undefined });
  } catch (error) {
    return error instanceof PairingError ? [error.code, error.message] : error;
  }
  fail('Expected a failure');
  return undefined;
}

/** The code of what {@link failureOf} gives. */
function codeOf(failure: unknown): unknown {
  return Array.isArray(failure) ? failure.map((each: unknown) => each)[0] : failure;
}

describe('Nets that meet by a code', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  /** Shows a code until the spec is over. */
  async function show(net: Net, options?: Parameters<Net['invite$']>[0]): Promise<Shown> {
    const steps = new ReplaySubject<InviteStep>(2);
    const subscription = lab.use(net.invite$(options).subscribe(steps));
    const peer = firstValueFrom(
      steps.pipe(
        filter((step) => step.step === 'paired'),
        map((step) => step.peer),
      ),
    );
    peer.catch(() => undefined);
    const first = await firstValueFrom(steps);
    if (first.step !== 'code') throw new Error('Expected a code');
    const giveUp = () => {
      subscription.unsubscribe();
    };
    return { code: first.code, expiresAt: first.expiresAt, peer, giveUp };
  }

  /** The same code with another word. */
  function misread(code: string): string {
    const { slot, words } = parseCode(code);
    const [first = '', ...rest] = words;
    const other = CODE_WORDS.find((word) => word !== first) ?? '';
    return formatCode({ slot, words: [other, ...rest] });
  }

  it('learn who the other is, and can connect', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const { code, expiresAt, peer } = await show(alice);
    expect(code).toMatch(/^[1-9]-[a-z]+-[a-z]+$/);
    expect(expiresAt.getTime()).toBeGreaterThan(Date.now());
    const found = await firstValueFrom(bob.pair$({ code: code.toUpperCase().replaceAll('-', ' ') }));
    expect(found).toEqual({ peerId: alice.peerId, unl: await firstValueFrom(alice.unl$) });
    expect(await peer).toEqual({ peerId: bob.peerId, unl: await firstValueFrom(bob.unl$) });
    const arriving = firstValueFrom(alice.connections$);
    await firstValueFrom(bob.connect$(found.unl));
    expect((await arriving).peerId).toBe(bob.peerId);
  });

  it('by three words, where they are asked for', async () => {
    const { address } = await lab.server();
    const alice = lab.net({ rendezvous: [address] });
    expect((await show(alice, { words: 3 })).code.split('-').length).toBe(4);
  });

  it('by a code that is good once, and whose number is free again', async () => {
    const figures = new Map<GaugeName, () => number>();
    const gauge = (name: GaugeName, read: () => number) => {
      figures.set(name, read);
      return () => figures.delete(name);
    };
    const { address } = await lab.server({ watch: { ...unwatched, gauge } });
    const [alice, bob] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const { code, peer } = await show(alice);
    await firstValueFrom(bob.pair$({ code }));
    await peer;
    expect(await failureOf(bob.pair$({ code }))).toEqual([
      'CODE_UNKNOWN',
      jasmine.stringMatching(/^Nobody waits with this code/),
    ]);
    expect(figures.get('codes')?.()).toBe(0);
  });

  it('by nobody, when the inviter has given up, or both type', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const { code, giveUp } = await show(alice);
    giveUp();
    const failures = await Promise.all([alice, bob].map((net) => failureOf(net.pair$({ code }))));
    expect(failures.map(codeOf)).toEqual(['CODE_UNKNOWN', 'CODE_UNKNOWN']);
  });

  it('one of two who type it at once', async () => {
    const { address } = await lab.server();
    const [alice, bob, carol] = [1, 2, 3].map(() => lab.net({ rendezvous: [address] }));
    if (alice === undefined || bob === undefined || carol === undefined) return;
    const { code, peer } = await show(alice);
    const tries = await Promise.allSettled([bob, carol].map((net) => firstValueFrom(net.pair$({ code }))));
    const winner = await peer;
    expect(tries.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(tries[0]?.status === 'fulfilled' ? bob.peerId : carol.peerId).toBe(winner.peerId);
    const [lost] = tries.flatMap((each) => (each.status === 'rejected' ? [each] : []));
    expect(lost?.reason).toBeInstanceOf(PairingError);
  });

  it('not by wrong words, and after three such tries not at all', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const { code, peer } = await show(alice);
    for (let tries = 0; tries < 3; tries++)
      expect(await failureOf(bob.pair$({ code: misread(code) }))).toEqual([
        'CODE_WRONG',
        jasmine.stringMatching(/^The words are not those of the code/),
      ]);
    const closed = await peer.catch((error: unknown) => error);
    expect(closed).toBeInstanceOf(PairingError);
    expect(closed).toEqual(
      jasmine.objectContaining({ code: 'CODE_WRONG', message: jasmine.stringMatching(/3 times/) }),
    );
    expect(await failureOf(bob.pair$({ code }))).toEqual(['CODE_UNKNOWN', jasmine.any(String)]);
  });

  it('not by a code of one’s own, which stays good', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const { code, peer } = await show(alice);
    expect(await failureOf(alice.pair$({ code }))).toEqual(['CODE_OWN', jasmine.any(String)]);
    await firstValueFrom(bob.pair$({ code }));
    expect((await peer).peerId).toBe(bob.peerId);
  });

  it('not after its time', async () => {
    const codeMs = 431_000;
    const { address } = await lab.server({ limits: { codeMs } });
    const time = new HeldTimer(codeMs);
    const alice = lab.net({ rendezvous: [address] }, { ...systemRuntime, scheduler: time.scheduler });
    const bob = lab.net({ rendezvous: [address] });
    const failure = failureOf(alice.invite$());
    await time.end();
    expect(await failure).toEqual(['CODE_EXPIRED', jasmine.any(String)]);
    const { code, peer } = await show(alice, { wrongTries: 1 });
    await failureOf(bob.pair$({ code: misread(code) }));
    await time.end();
    expect(await peer.catch((error: unknown) => error)).toEqual(
      jasmine.objectContaining({ code: 'CODE_EXPIRED', wrongTries: 2 }),
    );
  });

  it('not at a server that keeps codes for too short a time: whoever guesses would have a new code again and again', async () => {
    const { address } = await lab.server({ limits: { codeMs: 299_000 } });
    const alice = lab.net({ rendezvous: [address] });
    expect(await failureOf(alice.invite$())).toEqual([
      'CODE_UNAVAILABLE',
      jasmine.stringMatching(/keeps codes for less than 5 minutes$/),
    ]);
    const long = await lab.server();
    const bob = lab.net({ rendezvous: [address, long.address] });
    expect((await show(bob)).expiresAt.getTime()).toBeGreaterThan(Date.now() + 500_000);
  });

  it('not after three wrong tries of this code and those before it', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const { code, peer } = await show(alice, { wrongTries: 2 });
    await failureOf(bob.pair$({ code: misread(code) }));
    expect(await peer.catch((error: unknown) => error)).toEqual(
      jasmine.objectContaining({ code: 'CODE_WRONG', wrongTries: 3 }),
    );
    expect(await failureOf(alice.invite$({ wrongTries: 3 }))).toMatch(/wrongTries/);
  });

  it('at any server that both use, though others are gone', async () => {
    const [one, two, three] = [await lab.server(), await lab.server(), await lab.server()];
    const { address, port } = await freeEndpoint();
    const gone = `${address}:${port}`;
    const alice = lab.net({ rendezvous: [gone, one.address, two.address] });
    const bob = lab.net({ rendezvous: [three.address, two.address, gone] });
    const { code, peer } = await show(alice);
    await firstValueFrom(bob.pair$({ code }));
    expect((await peer).peerId).toBe(bob.peerId);
  });

  it('by another number, where somebody else has the first', async () => {
    const { address } = await lab.server();
    const nets = Array.from({ length: 12 }, () => lab.net({ rendezvous: [address] }));
    const codes = await Promise.all(nets.map(async (net) => (await show(net)).code.split('-')[0] ?? ''));
    expect(new Set(codes).size).toBe(12);
  });

  it('by a number that all but one server give, which says of each that it is taken', async () => {
    const memory = memoryStore({ maxEntries: 100, now: Date.now, random: Math.random });
    const taken: Store = {
      ...memory,
      get: (table, key) => (table === 'slots' ? 'somebody' : memory.get(table, key)),
    };
    const [liar, honest] = [await lab.server({ store: taken }), await lab.server()];
    const alice = lab.net({ rendezvous: [liar.address, honest.address] });
    const bob = lab.net({ rendezvous: [honest.address] });
    const { code, peer } = await show(alice);
    expect((await firstValueFrom(bob.pair$({ code }))).peerId).toBe(alice.peerId);
    expect((await peer).peerId).toBe(bob.peerId);
  });

  it('nowhere: without a server, with one that is gone, or in plain mode, each in its words', async () => {
    const { address, port } = await freeEndpoint();
    const words = async (net: Net) =>
      Promise.all([failureOf(net.invite$()), failureOf(net.pair$({ code: '7 ott vio' }))]);
    expect(await words(lab.net())).toEqual([
      ['CODE_UNAVAILABLE', jasmine.stringMatching(/^Expected a rendezvous server/)],
      ['CODE_UNAVAILABLE', jasmine.stringMatching(/^Expected a rendezvous server/)],
    ]);
    const gone =
      /^There is no server to meet at by a code\. The rendezvous server .* cannot be reached \(ECONNREFUSED\)$/;
    expect(await words(lab.net({ rendezvous: [`${address}:${port}`] }))).toEqual([
      ['CODE_UNAVAILABLE', jasmine.stringMatching(gone)],
      ['CODE_UNAVAILABLE', jasmine.stringMatching(gone)],
    ]);
    expect(await failureOf(lab.net({ security: 'plain' }).invite$())).toEqual([
      'CODE_UNAVAILABLE',
      jasmine.stringMatching(/security: 'plain'/),
    ]);
  });

  it('not by a text that is no code, nor with so many words', async () => {
    const { address } = await lab.server();
    const net = lab.net({ rendezvous: [address] });
    expect(await failureOf(net.pair$({ code: '7-otter-vilet' }))).toMatch(/violet/);
    expect(await failureOf(net.invite$({ words: 4 as 3 }))).toMatch(/2 or 3/);
  });

  it('until they are closed, or aborted', async () => {
    const { address } = await lab.server();
    const [alice, bob] = [lab.net({ rendezvous: [address] }), lab.net({ rendezvous: [address] })];
    const ends = alice.invite$().pipe(toArray());
    const failed = failureOf(ends);
    const aborted = failureOf(bob.invite$({ signal: AbortSignal.timeout(100) }));
    await firstValueFrom(alice.unl$);
    await alice.close();
    expect(await failed).toEqual(jasmine.objectContaining({ code: 'CLOSED' }));
    expect(await aborted).toEqual(jasmine.objectContaining({ code: 'CLOSED' }));
  });
});
