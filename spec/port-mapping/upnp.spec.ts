import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { firstValueFrom } from 'rxjs';
import { createServer, type Server } from 'node:net';
import { upnp } from '../../lib/port-mapping/upnp.js';
import type { PortRequest } from '../../lib/port-mapping/mapper.js';
import {
  answerOf,
  descriptionOf,
  FakeGateway,
  faultOf,
  searchAnswer,
  type GatewayOptions,
} from '../support/gateways.js';
import { Holding, PORT, requestTo } from '../support/mappings.js';
import { addressOf, Lab } from '../support/nodes.js';

const IGD = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
const FOR_GOOD = '<NewLeaseDuration>0<';

/** The action that a request calls. */
function actionOf({ headers }: IncomingMessage): string {
  return /#([A-Za-z]+)"$/.exec(String(headers['soapaction']))?.[1] ?? '';
}

function refuse(response: ServerResponse, code: number): true {
  response.writeHead(500).end(faultOf(code));
  return true;
}

/** Refuses to call actions at any path but one. */
function onlyAt(path: string): NonNullable<GatewayOptions['http']> {
  return ({ method, url }, response) => {
    if (method !== 'POST' || url === path) return false;
    response.writeHead(404).end('not found');
    return true;
  };
}

/** A description with two services of one type. */
function twoServices(): string {
  const service = (name: string) =>
    `<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><serviceId>${name}</serviceId>` +
    `<controlURL>/ctl/${name}</controlURL></service>`;
  return descriptionOf(1).replace(
    /<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1.*?<\/service>/s,
    service('A') + service('B'),
  );
}

describe('A port is opened by UPnP, by a gateway', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function openGateway(options: GatewayOptions = {}): Promise<FakeGateway> {
    const gateway = await FakeGateway.open(options);
    lab.onClose(() => {
      gateway.close();
    });
    return gateway;
  }

  const hold = (request: PortRequest) => lab.use(new Holding(upnp.open, request));

  /** Has a port opened by a gateway, and says at which external port. */
  async function openedBy(options: GatewayOptions): Promise<{ gateway: FakeGateway; holding: Holding; port: number }> {
    const gateway = await openGateway(options);
    const holding = hold(requestTo(gateway));
    const { external } = await holding.opened();
    return { gateway, holding, port: external.port };
  }

  describe('that is found', () => {
    for (const known of [
      'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
      'urn:schemas-upnp-org:service:WANIPConnection:1',
      'urn:schemas-upnp-org:service:WANPPPConnection:1',
      'upnp:rootdevice',
    ]) {
      it(`though it answers to no other search than for ${known}`, async () => {
        const { port } = await openedBy({
          search: (target, location) => (target === known ? [searchAnswer(target, location)] : []),
        });
        expect(port).toBe(PORT);
      });
    }

    it('though it answers with another target than it was asked for', async () => {
      const { port } = await openedBy({ search: (_, location) => [searchAnswer('upnp:rootdevice', location)] });
      expect(port).toBe(PORT);
    });

    for (const [what, first] of [
      ['leads elsewhere', searchAnswer(IGD, 'http://192.168.100.1:49152/wps.xml')],
      ['has no LOCATION', `HTTP/1.1 200 OK\r\nST: ${IGD}\r\nUSN: x\r\n\r\n`],
    ] as const) {
      it(`though its first answer ${what}`, async () => {
        const { port } = await openedBy({ search: (target, location) => [first, searchAnswer(target, location)] });
        expect(port).toBe(PORT);
      });
    }

    it('though its first answers lead to descriptions of something else, or of nothing', async () => {
      const { port } = await openedBy({
        search: (target, location) =>
          ['/none.xml', '/printer.xml', '/hangs.xml', '/rootDesc.xml'].map((path) =>
            searchAnswer(target, new URL(path, location).href),
          ),
        http: ({ url }, response) => {
          if (url === '/none.xml') response.writeHead(404).end('not found');
          else if (url === '/printer.xml') response.end(descriptionOf(1, { service: 'Printing:1' }));
          else return url === '/hangs.xml';
          return true;
        },
      });
      expect(port).toBe(PORT);
    });
  });

  describe('whose description', () => {
    it('has URLBase at another port', async () => {
      const control = createHttpServer();
      const gateway = await openGateway({
        description: (own) =>
          descriptionOf(1).replace(
            '</specVersion>',
            `</specVersion><URLBase>http://${new URL(own).hostname}:${addressOf(control).port}</URLBase>`,
          ),
        http: ({ method, socket }, response) => {
          if (method !== 'POST' || socket.localPort === addressOf(control).port) return false;
          response.writeHead(404).end('not found');
          return true;
        },
      });
      control.on('request', (request, response) => gateway.http.emit('request', request, response));
      control.listen(0, gateway.address);
      await once(control, 'listening');
      lab.onClose(() => control.close());
      expect((await hold(requestTo(gateway)).opened()).external.port).toBe(PORT);
    });

    it('has a URLBase that leads elsewhere', async () => {
      const stray = await openGateway();
      const description = () =>
        descriptionOf(1).replace('</specVersion>', `</specVersion><URLBase>${stray.origin}/</URLBase>`);
      expect((await openedBy({ description })).port).toBe(PORT);
      expect(stray.heard.filter((each) => each !== 'upnp search')).toEqual([]);
    });

    it('has a relative controlURL, which is below the folder of the description', async () => {
      const { port } = await openedBy({
        location: (own) => own.replace('/rootDesc.xml', '/igd/rootDesc.xml'),
        description: () => descriptionOf(1, { controlUrl: 'ctl/IPConn' }),
        http: onlyAt('/igd/ctl/IPConn'),
      });
      expect(port).toBe(PORT);
    });

    it('has a relative controlURL, by which it means the top of its server', async () => {
      const { port } = await openedBy({
        location: (own) => own.replace('/rootDesc.xml', '/igd/rootDesc.xml'),
        description: () => descriptionOf(1, { controlUrl: 'ctl/IPConn' }),
        http: onlyAt('/ctl/IPConn'),
      });
      expect(port).toBe(PORT);
    });

    it('begins with a byte order mark, and has prefixes and names in capitals', async () => {
      const { port } = await openedBy({
        description: () =>
          `\uFEFF${descriptionOf(1)
            .replaceAll(/<\/?[a-z]+/gi, (tag) => tag.toUpperCase())
            .replaceAll(/<(\/?)([A-Z])/g, '<$1d:$2')}`,
        http: (request, response) => {
          if (actionOf(request) !== 'GetExternalIPAddress') return false;
          const answer = answerOf('GetExternalIPAddress', { NewExternalIPAddress: '198.51.100.7' });
          response.end(answer.replaceAll(/<(\/?)[a-z]+:/gi, '<$1SOAP-ENV:').replaceAll('NewExternal', 'NEWEXTERNAL'));
          return true;
        },
      });
      expect(port).toBe(PORT);
    });
  });

  describe('with two services of one type', () => {
    it('of which the first has no external address', async () => {
      const { port } = await openedBy({
        description: twoServices,
        http: (request, response) => {
          if (request.url !== '/ctl/A') return false;
          const action = actionOf(request);
          if (action !== 'GetExternalIPAddress') return refuse(response, 501);
          response.end(answerOf(action, { NewExternalIPAddress: '0.0.0.0' }));
          return true;
        },
      });
      expect(port).toBe(PORT);
    });

    it('of which the first has no external address, and names that of the second where it is only asked', async () => {
      const gateway = await openGateway({
        description: twoServices,
        http: (request, response) => {
          if (request.url !== '/ctl/A') return false;
          response.end(answerOf(actionOf(request), { NewExternalIPAddress: '0.0.0.0' }));
          return true;
        },
      });
      expect(await firstValueFrom(upnp.ask$(requestTo(gateway)))).toEqual({ external: gateway.external, name: 'spec' });
    });

    it('of which the first says that it is not connected', async () => {
      const { gateway } = await openedBy({
        description: twoServices,
        http: (request, response) => {
          if (actionOf(request) !== 'GetStatusInfo')
            return request.url === '/ctl/A' && actionOf(request).startsWith('Add') && refuse(response, 501);
          const status = request.url === '/ctl/A' ? 'Disconnected' : 'Connected';
          response.end(answerOf('GetStatusInfo', { NewConnectionStatus: status }));
          return true;
        },
      });
      expect(gateway.heard.filter((each) => each === 'http /ctl/A')).toHaveSize(1);
    });

    it('of which the first refuses', async () => {
      const { port } = await openedBy({
        description: twoServices,
        http: (request, response) =>
          request.url === '/ctl/A' && actionOf(request).startsWith('Add') && refuse(response, 501),
      });
      expect(port).toBe(PORT);
    });
  });

  describe('that refuses', () => {
    it('a finite lease with 402, as others do with 725', async () => {
      for (const igd of [1, 2] as const) {
        const { gateway, holding } = await openedBy({
          igd,
          http: (request, response, body) =>
            actionOf(request).startsWith('Add') && !body.includes(FOR_GOOD) && refuse(response, 402),
        });
        expect(holding.mappings[0]?.lifetimeMs).toBe(Infinity);
        holding.unsubscribe();
        await gateway.until(({ table }) => table.size === 0);
      }
    });

    it('an external port with 718 or 729, and opens another', async () => {
      for (const code of [718, 729]) {
        const { port } = await openedBy({
          http: (request, response, body) =>
            actionOf(request).startsWith('Add') && body.includes(`<NewExternalPort>${PORT}<`) && refuse(response, code),
        });
        expect(port).not.toBe(PORT);
      }
    });

    it('to let anybody look into its table with 401, 501, or 606', async () => {
      for (const code of [401, 501, 606]) {
        const { port } = await openedBy({
          http: (request, response) => actionOf(request) === 'GetSpecificPortMappingEntry' && refuse(response, code),
        });
        expect(port).toBe(PORT);
      }
    });

    it('to find what it has just added, with 714, and is not asked for it again and again', async () => {
      const gateway = await openGateway({
        isPermanentOnly: true,
        http: (request, response) => actionOf(request) === 'GetSpecificPortMappingEntry' && refuse(response, 714),
      });
      const holding = hold(requestTo(gateway, { timing: { mappingCheckMs: 20 } }));
      await holding.opened();
      const looks = () => gateway.count('http /ctl/IPConn');
      const before = looks();
      await gateway.until(() => looks() >= before + 3);
      expect(holding.mappings).toHaveSize(1);
      holding.unsubscribe();
      await gateway.until(({ table }) => table.size === 0);
    });
  });

  describe('and none is left behind', () => {
    /** Adds for good what it is asked to, and says something that is no answer. */
    const garbling: GatewayOptions = {
      isPermanentOnly: true,
      http: (request, response, body) => {
        if (actionOf(request) !== 'AddPortMapping' || !body.includes(FOR_GOOD)) return false;
        garbled.then((gateway) => {
          const client = /<NewInternalClient>([^<]+)</.exec(body)?.[1] ?? '';
          gateway.change(() => gateway.table.set(PORT, { client, internalPort: PORT, lifetimeSeconds: 0 }));
          response.end('<html/>');
        }, fail);
        return true;
      },
    };
    let garbled: Promise<FakeGateway>;

    it('when its answer is none', async () => {
      garbled = openGateway(garbling);
      const gateway = await garbled;
      const error = await hold(requestTo(gateway)).failed();
      expect(error).toEqual(jasmine.objectContaining({ code: 'HTTP' }));
      expect(gateway.changes).toBeGreaterThan(0);
      expect(gateway.table).toHaveSize(0);
    });

    it('when its answer is none, and nobody waits for it any more', async () => {
      garbled = openGateway(garbling);
      const gateway = await garbled;
      const holding = hold(requestTo(gateway));
      await gateway.until(({ changes }) => changes > 0);
      holding.unsubscribe();
      await gateway.until(({ table }) => table.size === 0);
      expect(gateway.count('upnp DeletePortMapping')).toBe(1);
    });
  });

  describe('whose HTTP', () => {
    /** A gateway that says all by TCP, as one of old would: a request, an answer, the end. */
    async function openRaw(write: (text: string) => string): Promise<FakeGateway> {
      const raw: Server = createServer((socket) => {
        let text = '';
        socket.setEncoding('latin1').on('error', () => undefined);
        socket.on('data', (piece: string) => {
          text += piece;
          const [head = '', body] = text.split('\r\n\r\n');
          const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
          if (body === undefined || body.length < length) return;
          const [, method = '', path = ''] = /^(\S+) (\S+)/.exec(head) ?? [];
          const soapaction = /^soapaction: *(.*)$/im.exec(head)?.[1];
          text = '';
          // The fake gateway knows the answer.
          void fetch(new URL(path, gateway.origin), {
            method,
            ...(method === 'POST' && { body, headers: { soapaction: soapaction ?? '' } }),
          }).then(async (answer) => {
            socket.end(write(`HTTP/1.0 ${answer.status} X\r\nServer: old\r\n\r\n${await answer.text()}`));
          }, fail);
        });
      });
      const gateway: FakeGateway = await openGateway({
        location: (own) => own.replace(/:\d+\//, `:${addressOf(raw).port}/`),
      });
      raw.listen(0, gateway.address);
      await once(raw, 'listening');
      lab.onClose(() => raw.close());
      return gateway;
    }

    for (const [what, write] of [
      ['is 1.0 without a content-length', (text: string) => text],
      ['ends its lines without carriage returns', (text: string) => text.replaceAll('\r\n', '\n')],
      ['has a header that none may have', (text: string) => text.replace('Server: old', 'Server: old\u0001')],
    ] as const) {
      it(what, async () => {
        const gateway = await openRaw(write);
        // Who asks by way of the raw server is not who the mapping is for.
        const request = requestTo(gateway, { internal: { address: '127.0.0.1', port: PORT } });
        expect((await hold(request).opened()).external.port).toBe(PORT);
      });
    }
  });
});
