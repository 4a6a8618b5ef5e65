import type { Socket } from 'node:net';
import { firstValueFrom, toArray } from 'rxjs';
import { DEFAULT_TIMING } from '../../lib/config.js';
import type { Endpoint } from '../../lib/endpoint.js';
import type { Observer } from '../../lib/rendezvous/observe.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { natViews$ } from '../../lib/self/nat-view.js';
import type { SelfStep } from '../../lib/self/steps.js';
import { Lab, newAddress } from '../support/nodes.js';
import { answerTo, coturn, needsCoturn, otherAddress, seenAt, stunServer } from '../support/stun.js';

describe('what servers show of a NAT', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const dialled: string[] = [];
  beforeEach(() => {
    dialled.length = 0;
  });
  /** Looks from an address of its own, with what was told meanwhile and who was dialled. */
  async function look(servers: readonly Observer[], bind = newAddress()) {
    const steps: SelfStep[] = [];
    const dial$: Runtime['dial$'] = (config) => {
      dialled.push(config.host);
      return systemRuntime.dial$(config);
    };
    const config = { bind, runtime: { ...systemRuntime, dial$ }, dialect: OUR_DIALECT, timing: DEFAULT_TIMING };
    const views = await firstValueFrom(natViews$(servers, [bind], config, (step) => steps.push(step)).pipe(toArray()));
    const reports = steps.flatMap((step) => (step.type === 'server' ? [[step.kind, step.server, step.failure]] : []));
    return { views: views.flat(), steps, reports };
  }

  /** Two servers on addresses of their own, each of which names the other, and sees a NAT that is made up. */
  async function twoAddresses(translate: (seen: Endpoint) => Endpoint) {
    const [one, other] = [newAddress(), newAddress()];
    const { port } = await stunServer(
      lab,
      (request, socket: Socket) => socket.write(answerTo(request, translate(seenAt(socket)), [otherAddress(other)])),
      { address: one },
    );
    await stunServer(
      lab,
      (request, socket: Socket) => socket.write(answerTo(request, translate(seenAt(socket)), [otherAddress(one)])),
      { address: other, port },
    );
    return { one, other, observer: { host: one, port, isStun: true } };
  }

  it('is whole by one STUN server that has another address', async () => {
    const { one, other, observer } = await twoAddresses((seen) => seen);
    const { views, reports } = await look([observer]);
    expect(views).toEqual([
      jasmine.objectContaining({
        family: 4,
        natType: { type: 'open' },
        servers: jasmine.arrayWithExactContents([
          { ...observer, at: one },
          { ...observer, at: other },
        ]),
      }),
    ]);
    expect(reports).toEqual([['STUN', `${one}:${observer.port}`, undefined]]);
  });

  it('tells a NAT that gives each destination another port from one that does not', async () => {
    let last = 20_000;
    const ports = new Map<number, number>();
    const symmetric = await twoAddresses(() => ({ address: '45.45.1.1', port: (last += 2) }));
    const [random] = (await look([symmetric.observer])).views;
    expect(random?.natType).toEqual({ type: 'delta', delta: 2 });

    const independent = await twoAddresses(({ port }) => {
      const mapped = ports.get(port) ?? 1_024 + ((port * 26_347) % 60_000);
      ports.set(port, mapped);
      return { address: '45.45.1.1', port: mapped };
    });
    const [reuse] = (await look([independent.observer])).views;
    expect(reuse?.natType).toEqual({ type: 'reuse' });
  });

  it('is whole by a rendezvous server and a STUN server, without a second look', async () => {
    const { local } = await lab.server({ bind: newAddress() });
    const { observer, other } = await twoAddresses((seen) => seen);
    const { views } = await look([{ host: local.address, port: local.port }, observer]);
    expect(views[0]?.servers).toHaveSize(2);
    expect(dialled).toHaveSize(10);
    expect(dialled).not.toContain(other);
  });

  it('sends this node to nobody but the server where its other address is none of its own kind', async () => {
    const server = await stunServer(lab, (request, socket) =>
      socket.write(answerTo(request, seenAt(socket), [otherAddress('192.168.1.1')])),
    );
    const { views } = await look([{ ...server, isStun: true }]);
    expect(views[0]?.servers).toHaveSize(1);
    expect(new Set(dialled)).toEqual(new Set([server.host]));
  });

  it('is what the first look has shown where nobody is at the other address', async () => {
    const server = await stunServer(lab, (request, socket) =>
      socket.write(answerTo(request, seenAt(socket), [otherAddress('127.255.255.1')])),
    );
    const { views } = await look([{ ...server, isStun: true }]);
    expect(views).toEqual([jasmine.objectContaining({ natType: { type: 'open' } })]);
    expect(dialled.filter((host) => host === '127.255.255.1')).toHaveSize(5);
  });

  it('comes with what is wrong with a STUN server', async () => {
    const refusing = await stunServer(lab, (_, socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const gone = { host: newAddress(), port: 1, isStun: true, isSecure: true };
    const { views, reports } = await look([{ ...refusing, isStun: true }, gone]);
    expect(views).toEqual([]);
    expect(reports).toEqual([
      ['STUN', `${refusing.host}:${refusing.port}`, jasmine.stringMatching(/^answers, but not by STUN: /)],
      ['STUN', `stuns:${gone.host}:1`, 'cannot be reached (ECONNREFUSED)'],
    ]);
  });

  it('is whole by one coturn on two addresses', async () => {
    needsCoturn();
    const [one, other] = [newAddress(), newAddress()];
    const { port } = await coturn(lab, [one, other], '--stun-only');
    const { views } = await look([{ host: one, port, isStun: true }]);
    expect(views).toEqual([jasmine.objectContaining({ natType: { type: 'open' } })]);
    expect(views[0]?.servers.map(({ at }) => at).toSorted()).toEqual([one, other].toSorted());
  });
});
