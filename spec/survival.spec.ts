import { randomBytes } from 'node:crypto';
import {
  BehaviorSubject,
  distinctUntilChanged,
  filter,
  first,
  firstValueFrom,
  lastValueFrom,
  map,
  skip,
  switchMap,
  take,
  toArray,
  type Observable,
} from 'rxjs';
import { ClosedError, createIdentity, type Connection, type Net, type NetConfig, type Path } from '../lib/index.js';
import type { Technique } from '../lib/techniques/technique.js';
import { serve$, type Serving } from '../servers/index.js';
import { Cable } from './support/cable.js';
import { failureOf, Lab, newAddress } from './support/nodes.js';
import { endpointOf } from './support/raw-peer.js';

/** Long enough for any link to come back on a busy machine: a spec that waits for its end never ends. */
const PATIENT = { timing: { survivalMs: 60_000 } };

/** So many lines, each with its number and of another length. */
const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(index % 200)}`);

/** Expects the very lines that were sent; where it is not so, tells the first that is another. */
function expectAll(heard: readonly string[], sent: readonly string[]): void {
  const wrong = sent.findIndex((line, index) => line !== heard[index]);
  expect([heard.length, heard[wrong]?.slice(0, 20)]).toEqual([sent.length, sent[wrong]?.slice(0, 20)]);
  expect(wrong).toBe(-1);
}

describe('A connection over links that come and go', () => {
  const lab = new Lab();
  let cable: Cable;
  beforeEach(() => {
    cable = new Cable();
  });
  afterEach(async () => {
    await lab.close();
    cable.close();
  });

  const unlOf = ({ unl$ }: Net) => firstValueFrom(unl$);

  /** Two nets on the cable, and the connection that one makes to the other. */
  async function connected(config: Partial<NetConfig> = PATIENT, on = cable) {
    const [net, peer] = [lab.net(config, on.runtime), lab.net(config, on.runtime)];
    const arriving = firstValueFrom(peer.connections$);
    const here = await firstValueFrom(net.connect$(await unlOf(peer)));
    await measured(here);
    return { net, peer, here, there: await arriving };
  }

  /** Waits until the peer's consent has come, and the answer to the first ping behind it. */
  const measured = ({ path$ }: Connection) =>
    firstValueFrom(path$.pipe(filter(({ roundTripMs }) => roundTripMs !== undefined)));

  /** So many lines that come, from now on. */
  const next = ({ lines$ }: Connection, count: number) => firstValueFrom(lines$.pipe(take(count), toArray()));

  const pathOf = ({ path$ }: Connection) => firstValueFrom(path$);
  const endOf = ({ closed$ }: Connection) => firstValueFrom(closed$);

  /** The next path over another link than now. */
  const move$ = ({ path$ }: Connection): Observable<Path> =>
    path$.pipe(
      distinctUntilChanged((a, b) => a.local.port === b.local.port && a.remote.port === b.remote.port),
      skip(1),
      take(1),
    );

  /** A line each way, to see that it lives. */
  async function expectWell(here: Connection, there: Connection): Promise<void> {
    const heard = Promise.all([next(here, 1), next(there, 1)]);
    here.send('well');
    there.send('well, too');
    expect(await heard).toEqual([['well, too'], ['well']]);
  }

  describe('whose links break', () => {
    it('brings every line once and in order, both ways, however often it is cut', async () => {
      const { here, there } = await connected();
      const lines = numbered(10_000);
      const heard = Promise.all([next(here, lines.length), next(there, lines.length)]);
      // At the beginning of a link's life, in the middle of the lines, and in between.
      cable.wear = [200_000, 5_000, 100_000, 400_000];
      lab.use(here.sendAll(lines).subscribe({ error: fail }));
      lab.use(there.sendAll(lines).subscribe({ error: fail }));
      cable.cut();
      for (const each of await heard) expectAll(each, lines);
      expect(cable.made).toBeGreaterThan(5);
    });

    it('goes on when it is cut before the consent of the peer has come', async () => {
      const [net, peer] = [lab.net(PATIENT, cable.runtime), lab.net(PATIENT, cable.runtime)];
      const arriving = firstValueFrom(peer.connections$);
      const here = await firstValueFrom(net.connect$(await unlOf(peer)));
      const there = await arriving;
      cable.cut();
      await expectWell(here, there);
    });

    it('goes on when it is cut before a single line has come', async () => {
      const { here, there } = await connected();
      const heard = Promise.all([next(here, 1), next(there, 1)]);
      here.send('one');
      there.send('other');
      cable.cut();
      expect(await heard).toEqual([['other'], ['one']]);
    });

    it('tells the path over which it goes on, at both sides', async () => {
      const { here, there } = await connected();
      const before = await Promise.all([pathOf(here), pathOf(there)]);
      const moved = Promise.all([firstValueFrom(move$(here)), firstValueFrom(move$(there))]);
      cable.cut();
      const after = await moved;
      expect(after.map(({ technique, direct }) => [technique, direct])).toEqual([
        ['direct', true],
        ['direct', true],
      ]);
      expect(after[0].local).not.toEqual(before[0].local);
      expect(after[1].remote).not.toEqual(before[1].remote);
    });

    it('brings the bytes of a stream, each once and in order', async () => {
      const { here, there } = await connected();
      const sent = randomBytes(2_000_000);
      cable.wear = [300_000, 900_000, 200_000];
      const [from, to] = [here.toDuplex(), there.toDuplex()];
      cable.cut();
      from.write(sent);
      const pieces: Buffer[] = [];
      let missing = sent.length;
      for await (const piece of to.iterator({ destroyOnReturn: false })) {
        if (!Buffer.isBuffer(piece)) throw new Error('Expected bytes');
        pieces.push(piece);
        missing -= piece.length;
        if (missing <= 0) break;
      }
      expect(Buffer.concat(pieces).equals(sent)).toBeTrue();
      expect(cable.made).toBeGreaterThan(3);
      const ends = Promise.all([endOf(here), endOf(there)]);
      cable.wear = [];
      from.end();
      to.resume().end();
      expect((await ends).map(({ code }) => code)).toEqual(['closed', 'closed']);
    });

    it('brings all bytes of a stream that is ended at once, too', async () => {
      const { here, there } = await connected();
      const sent = randomBytes(2_000_000);
      cable.wear = [300_000, 900_000];
      const [from, to] = [here.toDuplex(), there.toDuplex()];
      from.end(sent);
      cable.cut();
      const pieces: Buffer[] = [];
      for await (const piece of to) if (Buffer.isBuffer(piece)) pieces.push(piece);
      expect(Buffer.concat(pieces).equals(sent)).toBeTrue();
      to.end();
    });

    it('is one, and goes on, where both have connected to each other at once', async () => {
      for (let round = 0; round < 5; round++) {
        const nets = [lab.net(PATIENT, cable.runtime), lab.net(PATIENT, cable.runtime)] as const;
        const unls = await Promise.all(nets.map(unlOf));
        const all = nets.map(({ connections$ }) => lab.collect(connections$));
        const [here, there] = await Promise.all([
          firstValueFrom(nets[0].connect$(unls[1] ?? '')),
          firstValueFrom(nets[1].connect$(unls[0] ?? '')),
        ]);
        await expectWell(here, there);
        const lines = numbered(100);
        const heard = Promise.all([next(here, lines.length), next(there, lines.length)]);
        for (const line of lines) {
          here.send(line);
          there.send(line);
        }
        cable.cut();
        for (const each of await heard) expectAll(each, lines);
        cable.cut();
        await expectWell(here, there);
        expect(all.map((connections) => connections.length)).toEqual([1, 1]);
      }
    });
  });

  describe('whose link goes mute', () => {
    const timing = { ...PATIENT.timing, silenceMs: 500 };

    for (const who of ['the side that has dialled', 'the side that was dialled'] as const) {
      it(`doubts it and goes on over another when ${who} gets no answer`, async () => {
        const { here, there } = await connected({ timing });
        await expectWell(here, there);
        const [asking, asked] = who === 'the side that has dialled' ? [here, there] : [there, here];
        const heard = next(asked, 3);
        const moved = Promise.all([firstValueFrom(move$(here)), firstValueFrom(move$(there))]);
        asking.send('one');
        cable.mute();
        asking.send('two');
        await moved;
        asking.send('three');
        expect(await heard).toEqual(['one', 'two', 'three']);
        await expectWell(here, there);
      });
    }

    it('ends as silent when nothing else leads to the peer', async () => {
      const { here } = await connected({ timing: { silenceMs: 200, survivalMs: 300 } });
      const ended = endOf(here);
      cable.mute();
      here.send('anyone?');
      const dialled = firstValueFrom(cable.refused$);
      cable.refuse();
      await dialled;
      const reason = await ended;
      expect([reason.code, reason.by]).toEqual(['silent', 'peer']);
      expect(reason.message).toBe('nothing was heard, and nothing else led to the peer for 300 ms');
    });

    it('is not doubted while it is well, and has nothing to say', async () => {
      const { here, there } = await connected({ timing: { ...PATIENT.timing, silenceMs: 1_500 } });
      const paths = lab.collect(here.path$.pipe(map(({ local }) => local.port)));
      await expectWell(here, there);
      // The clock: another connection's link, which is doubted later than this one would be.
      const other = new Cable();
      lab.onClose(() => {
        other.close();
      });
      const { here: elsewhere } = await connected({ timing: { ...PATIENT.timing, silenceMs: 2_500 } }, other);
      elsewhere.send('one');
      other.mute();
      elsewhere.send('two');
      await firstValueFrom(move$(elsewhere));
      expect([cable.made, new Set(paths).size]).toEqual([1, 1]);
      await expectWell(here, there);
    });
  });

  describe('to whose peer nothing leads any more', () => {
    it('ends as lost after a while, and says why', async () => {
      const { here, there } = await connected({ timing: { survivalMs: 300 } });
      const ends = Promise.all([endOf(here), endOf(there)]);
      cable.unplug();
      for (const reason of await ends) {
        expect([reason.code, reason.by]).toEqual(['lost', 'peer']);
        expect(reason.message).toMatch(/^the link broke( \(.*\))?, and nothing led to the peer for 300 ms$/);
      }
    });

    it('takes lines meanwhile, tells when there are enough, and takes none after its end', async () => {
      const limits = { sendHighWaterBytes: 1_000 };
      const { here, net } = await connected({ timing: { survivalMs: 1_000 }, limits });
      const connections = lab.collect(net.connections$);
      const tried = firstValueFrom(cable.refused$);
      cable.unplug();
      await tried;
      expect(here.send('one')).toBeTrue();
      expect(here.send('x'.repeat(1_000))).toBeFalse();
      expect(here.send('on its way all the same')).toBeFalse();
      const drained = lastValueFrom(here.drain$, { defaultValue: 'completed without' });
      const failure = failureOf(here.sendAll(numbered(100)));
      expect((await endOf(here)).code).toBe('lost');
      expect(await drained).toBe('completed without');
      expect(await failure).toBeInstanceOf(ClosedError);
      expect(here.send('too late')).toBeFalse();
      expect(connections).toEqual([here]);
    });

    it('ends at once where the peer has lost its side, and can be made anew', async () => {
      const identity = createIdentity();
      const bind = newAddress();
      const net = lab.net(PATIENT, cable.runtime);
      const before = lab.net({ identity, bind }, cable.runtime);
      const { port } = await endpointOf(before);
      const here = await firstValueFrom(net.connect$(await unlOf(before)));
      await expectWell(here, await firstValueFrom(before.connections$));
      const ended = endOf(here);
      cable.unplug();
      await before.close(1);
      const after = lab.net({ identity, bind, port }, cable.runtime);
      const unl = await unlOf(after);
      cable.plug();
      const reason = await ended;
      expect([reason.code, reason.by, reason.message]).toEqual([
        'lost',
        'peer',
        'the peer ended the connection: there is no such connection here any more',
      ]);
      const arriving = firstValueFrom(after.connections$);
      const again = await firstValueFrom(net.connect$(unl));
      await expectWell(again, await arriving);
    });

    it('brings what was sent meanwhile when it is back', async () => {
      const { here, there } = await connected();
      const tried = firstValueFrom(cable.refused$);
      cable.unplug();
      await tried;
      const heard = Promise.all([next(here, 1), next(there, 1)]);
      here.send('are you there?');
      there.send('are you?');
      cable.plug();
      expect(await heard).toEqual([['are you?'], ['are you there?']]);
    });
  });

  describe('that is closed', () => {
    it('ends in order at once, at both sides, however long it would wait for a link', async () => {
      const { here, there } = await connected();
      const heard = lastValueFrom(there.lines$);
      const ends = Promise.all([endOf(here), endOf(there)]);
      here.send('last');
      here.close();
      expect(await heard).toBe('last');
      expect((await ends).map(({ code, by }) => [code, by])).toEqual([
        ['closed', 'us'],
        ['closed', 'peer'],
      ]);
    });

    it('ends in order when its link breaks at the same moment: what was sent arrives, and no other is begun', async () => {
      const { here, there, net, peer } = await connected();
      await expectWell(here, there);
      const all = [net, peer].map(({ connections$ }) => lab.collect(connections$));
      const heard = lastValueFrom(there.lines$.pipe(toArray()));
      const ends = Promise.all([endOf(here), endOf(there)]);
      const tried = firstValueFrom(cable.refused$);
      cable.unplug();
      await tried;
      here.send('last');
      here.close();
      cable.plug();
      expect(await heard).toEqual(['last']);
      expect((await ends).map(({ code, by }) => [code, by])).toEqual([
        ['closed', 'us'],
        ['closed', 'peer'],
      ]);
      expect(all).toEqual([[here], [there]]);
    });

    it('ends when nothing leads to the peer', async () => {
      for (const timing of [
        { survivalMs: 300, closeMs: 60_000 },
        { survivalMs: 60_000, closeMs: 300 },
      ]) {
        const { here } = await connected({ timing });
        const tried = firstValueFrom(cable.refused$);
        cable.unplug();
        await tried;
        here.close();
        expect(['lost', 'timeout']).toContain((await endOf(here)).code);
        cable.plug();
      }
    });
  });

  describe('by a relay', () => {
    /** All of the servers. */
    async function server(): Promise<string> {
      const { endpoints } = await new Promise<Serving>((resolve, reject) => {
        lab.use(serve$({ bind: '127.0.0.1', port: 0, httpPort: 0 }).subscribe({ next: resolve, error: reject }));
      });
      return `127.0.0.1:${endpoints.find(({ name }) => name === 'rendezvous')?.local.port ?? 0}`;
    }

    /** Two nets that meet at a relay. */
    async function meeting(options: Parameters<Net['connect$']>[1], config: Partial<NetConfig> = {}) {
      const all = { ...PATIENT, rendezvous: [await server()], ...config };
      const [net, peer] = [lab.net(all, cable.runtime), lab.net(all, cable.runtime)];
      const unls = await Promise.all([net, peer].map(unlOf));
      const arriving = firstValueFrom(peer.connections$);
      const here = await firstValueFrom(net.connect$(unls[1] ?? '', options));
      await measured(here);
      return { net, peer, here, there: await arriving };
    }

    /** A technique of the application's own: dials while a spec says so. */
    function dialWhen(may$: Observable<boolean>): Technique {
      return {
        name: 'later',
        dial: (attempt$) =>
          attempt$.pipe(
            switchMap((attempt) => {
              const [endpoint] = attempt.peer.version === 3 ? attempt.peer.endpoints : [];
              if (endpoint === undefined) throw new Error('Expected an endpoint');
              return may$.pipe(
                first((may) => may),
                switchMap(() => attempt.dial$(endpoint, 'later')),
              );
            }),
          ),
      };
    }

    const waysOf = ({ path$ }: Connection) =>
      lab.collect(
        path$.pipe(
          map(({ technique, direct }) => `${technique} ${direct ? 'direct' : 'relayed'}`),
          distinctUntilChanged(),
        ),
      );

    it('moves to a direct link in the middle of lines, at both sides, and loses, doubles and swaps none', async () => {
      const may = new BehaviorSubject(false);
      const { here, there } = await meeting({ techniques: ['relay', dialWhen(may)] });
      const ways = [waysOf(here), waysOf(there)];
      const lines = numbered(10_000);
      const heard = Promise.all([next(here, lines.length), next(there, lines.length)]);
      const begun = Promise.all([next(here, 1_000), next(there, 1_000)]);
      const moved = Promise.all([firstValueFrom(move$(here)), firstValueFrom(move$(there))]);
      lab.use(here.sendAll(lines).subscribe({ error: fail }));
      lab.use(there.sendAll(lines).subscribe({ error: fail }));
      await begun;
      may.next(true);
      await moved;
      for (const each of await heard) expectAll(each, lines);
      expect(ways).toEqual([
        ['relay relayed', 'later direct'],
        ['relay relayed', 'direct direct'],
      ]);
    });

    it('comes back by the relay when its link breaks', async () => {
      const { here, there } = await meeting({ techniques: ['relay'] });
      const ways = waysOf(here);
      for (let round = 0; round < 2; round++) {
        const moved = firstValueFrom(move$(here));
        const heard = Promise.all([next(here, 1), next(there, 1)]);
        cable.cut();
        here.send('there');
        there.send('here');
        expect(await heard).toEqual([['here'], ['there']]);
        await moved;
      }
      expect(new Set(ways)).toEqual(new Set(['relay relayed']));
    });
  });
});
