import { filter, firstValueFrom, lastValueFrom, map, ReplaySubject, type Observable } from 'rxjs';
import { PairingError, type InviteStep, type Net, type PairedPeer } from '../../../lib/index.js';
import { formatCode, parseCode } from '../../../lib/pairing/code.js';
import { answerSignal, readAnswer, readTry, trySignal } from '../../../lib/net/pairing/local-messages.js';
import { CODE_WORDS } from '../../../lib/pairing/word-list.js';
import { lanRuntime } from '../../support/lan.js';
import { Lab } from '../../support/nodes.js';
import { freeEndpoint } from '../../support/free-port.js';

async function codeOf(source$: Observable<unknown>): Promise<string> {
  try {
    await lastValueFrom(source$, { defaultValue: undefined });
  } catch (error) {
    return error instanceof PairingError ? error.code : String(error);
  }
  return 'none';
}

describe('Nets that meet by a code on one local network, with no server', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const net = () => lab.net({ lan: true }, lanRuntime);

  /** Shows a code until the spec is over. */
  async function show(host: Net): Promise<{ readonly code: string; readonly peer: Promise<PairedPeer> }> {
    const steps = new ReplaySubject<InviteStep>(2);
    lab.use(host.invite$().subscribe(steps));
    const peer = firstValueFrom(
      steps.pipe(
        filter((step) => step.step === 'paired'),
        map((step) => step.peer),
      ),
    );
    peer.catch(() => undefined);
    const first = await firstValueFrom(steps);
    if (first.step !== 'code') throw new Error('Expected a code');
    expect(first.expiresAt.getTime() - Date.now()).toBeGreaterThan(590_000);
    return { code: first.code, peer };
  }

  /** The same code with another word. */
  function misread(code: string): string {
    const { slot, words } = parseCode(code);
    const [first = '', ...rest] = words;
    return formatCode({ slot, words: [CODE_WORDS.find((word) => word !== first) ?? '', ...rest] });
  }

  it('learn who the other is, and can connect', async () => {
    const [alice, bob] = [net(), net()];
    const { code, peer } = await show(alice);
    const found = await firstValueFrom(bob.pair$({ code }));
    expect(found.peerId).toBe(alice.peerId);
    expect((await peer).peerId).toBe(bob.peerId);
    expect((await firstValueFrom(bob.connect$(found.unl))).peerId).toBe(alice.peerId);
  });

  it('by numbers that no other there has, and each by its own', async () => {
    const [alice, bob, carol] = [net(), net(), net()];
    const [one, two] = [await show(alice), await show(bob)];
    expect(parseCode(one.code).slot).not.toBe(parseCode(two.code).slot);
    expect((await firstValueFrom(carol.pair$({ code: two.code }))).peerId).toBe(bob.peerId);
    expect((await two.peer).peerId).toBe(carol.peerId);
  });

  it('not by wrong words, and after three such tries not at all', async () => {
    const [alice, bob] = [net(), net()];
    const { code, peer } = await show(alice);
    for (let tries = 0; tries < 3; tries++) {
      expect(await codeOf(bob.pair$({ code: misread(code) }))).toBe('CODE_WRONG');
    }
    expect(await peer.catch((error: unknown) => error)).toEqual(
      jasmine.objectContaining({ code: 'CODE_WRONG', wrongTries: 3 }),
    );
    expect(await codeOf(bob.pair$({ code }))).toBe('CODE_UNKNOWN');
  });

  it('also where a neighbour claims the same number, who learns nothing and has one guess', async () => {
    // Both look for others with that number at the same time, and so do not hear each other.
    const same = { ...lanRuntime, random: () => 0.7 };
    const [alice, mallory] = [lab.net({ lan: true }, same), lab.net({ lan: true }, same)];
    await Promise.all([alice.start(), mallory.start()]);
    const [{ code, peer }, other] = await Promise.all([show(alice), show(mallory)]);
    expect(parseCode(other.code).slot).toBe(parseCode(code).slot);
    const bob = net();
    expect((await firstValueFrom(bob.pair$({ code }))).peerId).toBe(alice.peerId);
    expect((await peer).peerId).toBe(bob.peerId);
    expect((await firstValueFrom(net().pair$({ code: other.code }))).peerId).toBe(mallory.peerId);
  });

  it('also where a stranger shows the same number at a server', async () => {
    const { address } = await lab.server();
    const same = { ...lanRuntime, random: () => 0.7 };
    const [stranger, alice] = [lab.net({ rendezvous: [address] }, same), lab.net({ lan: true }, same)];
    const [other, { code, peer }] = await Promise.all([show(stranger), show(alice)]);
    expect(parseCode(other.code).slot).toBe(parseCode(code).slot);
    const bob = lab.net({ rendezvous: [address], lan: true }, lanRuntime);
    expect((await firstValueFrom(bob.pair$({ code }))).peerId).toBe(alice.peerId);
    expect((await peer).peerId).toBe(bob.peerId);
  });

  it('also where their servers are away, or give no code', async () => {
    const short = await lab.server({ limits: { codeMs: 299_000 } });
    const { address, port } = await freeEndpoint();
    for (const server of [short.address, `${address}:${port}`]) {
      const [alice, bob] = [1, 2].map(() => lab.net({ rendezvous: [server], lan: true }, lanRuntime));
      if (alice === undefined || bob === undefined) return;
      const { code, peer } = await show(alice);
      expect((await firstValueFrom(bob.pair$({ code }))).peerId).toBe(alice.peerId);
      expect((await peer).peerId).toBe(bob.peerId);
    }
  });

  it('read no message that is malformed', () => {
    const message = Buffer.from('a message');
    expect(readTry(trySignal({ slot: 7, id: 'one', message }))).toEqual({ slot: 7, id: 'one', message });
    expect(readAnswer(answerSignal({ id: 'one', message }))).toEqual({ id: 'one', message });
    const body = { slot: 7, try: 'one', message: 'AA' };
    const wrong = [
      { slot: -1 },
      { slot: 1.5 },
      { slot: 1_000_000 },
      { slot: '7' },
      { try: '' },
      { try: 'a b' },
      { message: 7 },
      { message: '' },
      { message: '*' },
      { message: 'A'.repeat(1_400) },
    ];
    for (const other of wrong) expect(readTry({ kind: 'pair', body: { ...body, ...other } })).toBeUndefined();
    expect(readTry({ kind: 'pair-answer', body })).toBeUndefined();
    expect(readAnswer({ kind: 'pair', body })).toBeUndefined();
    expect(readAnswer({ kind: 'pair-answer', body: { ...body, message: [] } })).toBeUndefined();
  });
});
