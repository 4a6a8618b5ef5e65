import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { asyncScheduler, lastValueFrom, toArray } from 'rxjs';
import { ANSWER_MS, PORT_MAPPING_PORT } from '../../lib/port-mapping/ask.js';
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

  it('believes silence the second time, since this process may have been busy', async () => {
    const gateway = await openGateway({ manners: { pcp: 'silent' } });
    gateway.intruder = () => {
      if (gateway.count('pcp announce') === 1) gateway.manners.pcp = 'grants';
      return Promise.resolve();
    };
    const scheduler = impatient({ [ANSWER_MS]: 100 });
    const { protocols } = await lastValueFrom(askRouter$({ ...requestTo(gateway), scheduler }, ['pcp']));
    expect(protocols.map(({ state }) => state)).toEqual(['answers']);
  });

  it('tells a version that is not spoken from a refusal', async () => {
    const address = newAddress();
    const socket = createSocket('udp4').bind(PORT_MAPPING_PORT, address);
    await once(socket, 'listening');
    lab.onClose(() => socket.close());
    socket.on('message', (_, from) => {
      socket.send(Buffer.from([0, 128, 0, 1, 0, 0, 0, 0]), from.port, from.address);
    });
    const question = {
      gateway: { address, host: address },
      internal: { address, port: 50_500 },
      scheduler: asyncScheduler,
    };
    const { protocols } = await lastValueFrom(askRouter$(question, ['nat-pmp', 'pcp']));
    const reason: unknown = jasmine.stringMatching(/unsupported version/i);
    expect(protocols).toEqual([
      jasmine.objectContaining({ protocol: 'pcp', state: 'closed', reason }),
      jasmine.objectContaining({ protocol: 'nat-pmp', state: 'closed', reason }),
    ]);
  });

  it('keeps the name where UPnP tells no address outside', async () => {
    const gateway = await openGateway();
    gateway.external = '0.0.0.0';
    const unconnected = await lastValueFrom(askRouter$(requestTo(gateway), ['upnp']));
    expect(unconnected).toEqual(
      jasmine.objectContaining({
        name: 'spec',
        protocols: [{ protocol: 'upnp', state: 'answers', external: undefined, reason: undefined }],
      }),
    );
    const broken = await openGateway({
      http: ({ method }, response) => {
        if (method === 'POST') response.writeHead(404).end('no');
        return method === 'POST';
      },
    });
    const { name, protocols } = await lastValueFrom(askRouter$(requestTo(broken), ['upnp']));
    expect([name, protocols.map(({ state }) => state)]).toEqual(['spec', ['refuses']]);
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
