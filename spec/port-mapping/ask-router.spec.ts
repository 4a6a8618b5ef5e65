import { lastValueFrom, toArray } from 'rxjs';
import { ANSWER_MS } from '../../lib/port-mapping/ask.js';
import { askRouter$ } from '../../lib/port-mapping/ask-router.js';
import { FakeGateway, type GatewayOptions } from '../support/gateways.js';
import { requestTo } from '../support/mappings.js';
import { Lab, newAddress } from '../support/nodes.js';
import { impatient } from '../support/impatient.js';

describe('Asking a router', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function openGateway(options: GatewayOptions = {}): Promise<FakeGateway> {
    const gateway = await FakeGateway.open(options);
    lab.onClose(() => {
      gateway.close();
    });
    return gateway;
  }

  it('tells of each protocol by itself that it answers, and the name, and opens nothing', async () => {
    const gateway = await openGateway();
    const told = await lastValueFrom(askRouter$(requestTo(gateway), ['upnp', 'nat-pmp', 'pcp']).pipe(toArray()));
    expect(told[0]).toEqual({ family: 4, gateway: gateway.address, name: undefined, protocols: [] });
    expect(told.at(-1)).toEqual({
      family: 4,
      gateway: gateway.address,
      name: 'spec',
      protocols: [
        { protocol: 'pcp', state: 'answers', external: undefined, reason: undefined },
        { protocol: 'nat-pmp', state: 'answers', external: gateway.external, reason: undefined },
        { protocol: 'upnp', state: 'answers', external: gateway.external, reason: undefined },
      ],
    });
    expect(told.length).toBe(4);
    expect([gateway.changes, gateway.table.size]).toEqual([0, 0]);
  });

  it('tells silence, and asks by what it may alone', async () => {
    const gateway = await openGateway({ manners: { pcp: 'silent', 'nat-pmp': 'silent' } });
    const scheduler = impatient({ [ANSWER_MS]: 100 });
    const { protocols } = await lastValueFrom(askRouter$({ ...requestTo(gateway), scheduler }, ['nat-pmp', 'pcp']));
    expect(protocols.map(({ protocol, state }) => [protocol, state])).toEqual([
      ['pcp', 'silent'],
      ['nat-pmp', 'silent'],
    ]);
    expect(gateway.count('upnp search')).toBe(0);
  });

  it('tells that nothing takes such questions where the port is closed, and that UPnP refuses', async () => {
    const gateway = await openGateway({
      http: (_, response) => {
        response.writeHead(404).end('no');
        return true;
      },
    });
    const byUpnp = await lastValueFrom(askRouter$(requestTo(gateway), ['upnp']));
    expect(byUpnp.protocols.map(({ state }) => state)).toEqual(['refuses']);
    const address = newAddress();
    const nobody = { ...requestTo(gateway), gateway: { address, host: address } };
    const byPcp = await lastValueFrom(askRouter$(nobody, ['pcp']));
    expect(byPcp.protocols.map(({ state }) => state)).toEqual(['closed']);
  });
});
