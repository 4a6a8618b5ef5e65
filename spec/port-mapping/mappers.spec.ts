import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { DEFAULT_TIMING } from '../../lib/config.js';
import { PortMappingError, TimeoutError } from '../../lib/errors.js';
import { ANSWER_MS, PORT_MAPPING_PORT } from '../../lib/port-mapping/ask.js';
import { SEARCH_MS } from '../../lib/port-mapping/upnp/ssdp.js';
import { natPmp } from '../../lib/port-mapping/nat-pmp.js';
import { pcp } from '../../lib/port-mapping/pcp.js';
import type { PortRequest } from '../../lib/port-mapping/mapper.js';
import { upnp } from '../../lib/port-mapping/upnp.js';
import { FakeGateway, NOT_AUTHORIZED, searchAnswer, type GatewayOptions } from '../support/gateways.js';
import { impatient } from '../support/impatient.js';
import { Holding, PORT, requestTo, sent } from '../support/mappings.js';
import { Lab, newAddress } from '../support/nodes.js';

const { mappingMs } = DEFAULT_TIMING;

/** A port number that nothing here is about. */
const OTHER_PORT = 50_501;

/** The address that no honest gateway of these specs names. */
const FORGED = '203.0.113.66';

describe('A way to have a port opened', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function gatewayWith(options: GatewayOptions): Promise<FakeGateway> {
    const gateway = await FakeGateway.open(options);
    lab.onClose(() => {
      gateway.close();
    });
    return gateway;
  }

  async function socketAt(address: string, port = 0): Promise<Socket> {
    const socket = createSocket('udp4').bind(port, address);
    lab.onClose(() => socket.close());
    await once(socket, 'listening');
    return socket;
  }

  for (const { what, mapper, options, map, unmap } of [
    { what: 'PCP', mapper: pcp, options: {}, map: 'pcp map', unmap: 'pcp unmap' },
    { what: 'NAT-PMP', mapper: natPmp, options: {}, map: 'nat-pmp map', unmap: 'nat-pmp unmap' },
    {
      what: 'UPnP, IGD:1',
      mapper: upnp,
      options: { igd: 1 },
      map: 'upnp AddPortMapping',
      unmap: 'upnp DeletePortMapping',
    },
    {
      what: 'UPnP, IGD:2',
      mapper: upnp,
      options: { igd: 2 },
      map: 'upnp AddAnyPortMapping',
      unmap: 'upnp DeletePortMapping',
    },
  ] as const) {
    describe(`(${what})`, () => {
      const { name, open } = mapper;

      const openGateway = (more: GatewayOptions = {}) => gatewayWith({ ...options, ...more });
      const hold = (request: PortRequest) => lab.use(new Holding(open, request));

      it('opens the port, and tells what leads where and for how long', async () => {
        const gateway = await openGateway();
        const request = requestTo(gateway);
        expect(await hold(request).opened()).toEqual(
          jasmine.objectContaining({
            protocol: name,
            gateway: gateway.address,
            internal: request.internal,
            external: { address: gateway.external, port: PORT },
            lifetimeMs: mappingMs,
          }),
        );
        const entry = { client: request.internal.address, internalPort: PORT, lifetimeSeconds: mappingMs / 1000 };
        expect([...gateway.table]).toEqual([[PORT, jasmine.objectContaining(entry)]]);
      });

      it('opens another external port where another host has that one, and leaves the other’s alone', async () => {
        const gateway = await openGateway();
        const other = { client: newAddress(), internalPort: PORT, lifetimeSeconds: 7200 };
        gateway.table.set(PORT, other);
        const request = requestTo(gateway);
        const holding = hold(request);
        const { external } = await holding.opened();
        expect(external.port).not.toBe(PORT);
        expect(gateway.table.get(external.port)?.client).toBe(request.internal.address);
        holding.unsubscribe();
        await gateway.until(({ table }) => table.size === 1);
        expect(gateway.table.get(PORT)).toEqual(other);
      });

      it('takes no external port from another program of the same host', async () => {
        const gateway = await openGateway();
        const request = requestTo(gateway);
        const other = { client: request.internal.address, internalPort: PORT + 1, lifetimeSeconds: 7200 };
        gateway.table.set(PORT, other);
        const holding = hold(request);
        const { external } = await holding.opened();
        expect(external.port).not.toBe(PORT);
        holding.unsubscribe();
        await gateway.until(({ table }) => table.size === 1);
        expect(gateway.table.get(PORT)).toEqual(other);
      });

      it('renews it at half of its lifetime, at the external port that it has', async () => {
        const gateway = await openGateway();
        gateway.table.set(PORT, { client: newAddress(), internalPort: PORT, lifetimeSeconds: 7200 });
        const holding = hold(requestTo(gateway, { scheduler: impatient({ [mappingMs / 2]: 5 }) }));
        await holding.until((mappings) => mappings.length >= 3);
        expect(new Set(holding.mappings.map(({ external }) => external.port))).toHaveSize(1);
        expect(gateway.table).toHaveSize(2);
      });

      it('has it made anew when the gateway has restarted', async () => {
        const gateway = await openGateway();
        const request = requestTo(gateway, { timing: { mappingCheckMs: 20 } });
        const holding = hold(request);
        await holding.opened();
        gateway.restart();
        await holding.until((mappings) => mappings.length >= 2);
        expect(gateway.table.get(PORT)?.client).toBe(request.internal.address);
        // And it is not taken for lost for ever after.
        const asked = gateway.heard.length;
        await gateway.until(({ heard }) => heard.length >= asked + 4);
        expect(holding.mappings).toHaveSize(2);
      });

      it('goes on while the gateway does not answer, and finds that it has restarted when it does again', async () => {
        const gateway = await openGateway();
        const holding = hold(requestTo(gateway, { timing: { mappingCheckMs: 20 } }));
        await holding.opened();
        gateway.manners[name] = 'silent';
        const asked = gateway.heard.length;
        await gateway.until(({ heard }) => heard.length > asked);
        gateway.restart();
        gateway.manners[name] = 'grants';
        await holding.until((mappings) => mappings.length >= 2);
        expect(gateway.table).toHaveSize(1);
      });

      it('tells when the external address has changed', async () => {
        const gateway = await openGateway();
        const holding = hold(requestTo(gateway, { timing: { mappingCheckMs: 20 } }));
        await holding.opened();
        gateway.move('198.51.100.99');
        await holding.until((mappings) => mappings.length >= 2);
        expect(holding.mappings.at(-1)?.external).toEqual({ address: '198.51.100.99', port: PORT });
        expect(gateway.table).toHaveSize(1);
      });

      it('gives it back when nobody wants it any more', async () => {
        const gateway = await openGateway();
        const holding = hold(requestTo(gateway));
        await holding.opened();
        holding.unsubscribe();
        await gateway.until(({ table }) => table.size === 0);
        expect(gateway.count(unmap)).toBe(1);
      });

      it('gives it back when nobody wants it any more while the gateway is still being asked', async () => {
        const gateway = await openGateway();
        const holding = hold(requestTo(gateway));
        await gateway.until(() => gateway.count(map) > 0);
        holding.unsubscribe();
        await gateway.until(() => gateway.count(unmap) > 0);
        expect(gateway.table).toHaveSize(0);
        expect(holding.mappings).toEqual([]);
      });

      it('gives back the renewed one when nobody wants it any more while it is being renewed', async () => {
        const gateway = await openGateway();
        const holding = hold(requestTo(gateway, { timing: { mappingCheckMs: 20 } }));
        await holding.opened();
        gateway.restart();
        await gateway.until(({ table }) => table.size === 1);
        holding.unsubscribe();
        await gateway.until(() => gateway.count(unmap) > 0);
        expect(gateway.table).toHaveSize(0);
      });

      it('fails with the gateway’s code when it is refused', async () => {
        const gateway = await openGateway({ manners: { [name]: 'refuses' } });
        const error = await hold(requestTo(gateway)).failed();
        expect(error).toBeInstanceOf(PortMappingError);
        expect(error).toEqual(jasmine.objectContaining({ code: 'PORT_MAPPING', refusal: NOT_AUTHORIZED[name] }));
        expect(gateway.changes).toBe(0);
      });

      it('fails with a TimeoutError when the gateway is silent', async () => {
        const gateway = await openGateway({ manners: { [name]: 'silent' } });
        const error = await hold(
          requestTo(gateway, { scheduler: impatient({ [ANSWER_MS]: 50, [SEARCH_MS]: 50 }) }),
        ).failed();
        expect(error).toBeInstanceOf(TimeoutError);
        expect(gateway.changes).toBe(0);
      });

      it('fails with a TimeoutError when the gateway falls silent as soon as it is asked for something', async () => {
        const gateway = await openGateway({ manners: { [name]: 'mute' } });
        expect(await hold(requestTo(gateway)).failed()).toBeInstanceOf(TimeoutError);
        expect(gateway.count(map)).toBeGreaterThan(0);
      });

      it('ignores answers from other hosts', async () => {
        const gateway = await openGateway();
        const stranger = newAddress();
        const strangers = [await socketAt(stranger, PORT_MAPPING_PORT), await socketAt(stranger, 1900)];
        // Nor that of another program on the gateway's host. Of UPnP it cannot be told from the gateway.
        if (name !== 'upnp') strangers.push(await socketAt(gateway.address));
        let forgeries = 0;
        gateway.intruder = async (message, from) => {
          for (const socket of strangers) {
            for (const forgery of forgeriesFor(message, `http://${stranger}:80/`)) {
              await sent(socket, forgery, from);
              forgeries++;
            }
          }
        };
        const { external } = await hold(requestTo(gateway)).opened();
        expect(external).toEqual({ address: gateway.external, port: PORT });
        expect(forgeries).toBeGreaterThan(0);
      });

      it('ignores datagrams of the gateway that are no answers to what it was asked', async () => {
        const gateway = await openGateway();
        let pieces = 0;
        gateway.intruder = async (message, from) => {
          const socket = name === 'upnp' ? gateway.ssdp : gateway.mapping;
          for (const piece of piecesFor(message)) {
            await sent(socket, piece, from);
            pieces++;
          }
        };
        const { external } = await hold(requestTo(gateway)).opened();
        expect(external).toEqual({ address: gateway.external, port: PORT });
        expect(pieces).toBeGreaterThan(0);
      });

      it('asks no more often than it has to', async () => {
        const gateway = await openGateway();
        // No datagram is sent again within this spec.
        const never = 2 ** 31 - 1;
        const scheduler = impatient({ 250: never, 750: never, 1750: never });
        await hold(requestTo(gateway, { scheduler })).opened();
        const repeated = gateway.heard.filter((what, i) => gateway.heard.indexOf(what) < i);
        // UPnP looks before and after, since gateways take what is not theirs to give.
        expect(repeated).toEqual(name === 'upnp' ? ['upnp GetSpecificPortMappingEntry'] : []);
      });

      it('is asked again when a datagram gets lost', async () => {
        const gateway = await openGateway();
        const lost = new Set<string>();
        const manner = gateway.manners;
        gateway.intruder = (message) => {
          // The first of each kind.
          const kind = message.toString('latin1', 0, 2);
          manner[name] = lost.has(kind) ? 'grants' : 'silent';
          lost.add(kind);
          return Promise.resolve();
        };
        const { external } = await hold(requestTo(gateway)).opened();
        expect(external.port).toBe(PORT);
        expect(lost.size).toBeGreaterThan(0);
      });

      it('serves two programs of one host at the same time', async () => {
        const gateway = await openGateway();
        const address = newAddress();
        const ports = [PORT, OTHER_PORT];
        const holdings = ports.map((port) => hold(requestTo(gateway, { internal: { address, port } })));
        const mappings = await Promise.all(holdings.map((holding) => holding.opened()));
        expect(mappings.map(({ external }) => external.port)).toEqual(ports);
        holdings[0]?.unsubscribe();
        await gateway.until(({ table }) => table.size === 1);
        expect(gateway.table.get(OTHER_PORT)?.internalPort).toBe(OTHER_PORT);
      });

      it('asks nothing of a gateway that nobody has subscribed to', async () => {
        const gateway = await openGateway();
        const holding = hold(requestTo(gateway));
        holding.unsubscribe();
        const other = hold(requestTo(gateway));
        await other.opened();
        // Each is for an address of its own. A slow machine may ask again for the second.
        expect(gateway.table).toHaveSize(1);
      });
    });
  }

  describe('by PCP', () => {
    const hold = (request: PortRequest) => lab.use(new Holding(pcp.open, request));

    it('is refused at once by a gateway that knows NAT-PMP alone', async () => {
      const gateway = await gatewayWith({ manners: { pcp: 'silent' } });
      gateway.intruder = (message, from) => {
        // RFC 6886 §3.5.
        const answer = Buffer.from([0, 0x80 + message.readUInt8(1), 0, 1, 0, 0, 0, 9]);
        return message[0] === 2 ? sent(gateway.mapping, answer, from) : Promise.resolve();
      };
      const error = await hold(requestTo(gateway)).failed();
      expect(error).toEqual(jasmine.objectContaining({ code: 'PORT_MAPPING', refusal: 1 }));
    });

    it('fails at once when nobody listens there', async () => {
      const [gateway, address] = [await gatewayWith({}), newAddress()];
      const error = await hold({ ...requestTo(gateway), gateway: { address, host: address } }).failed();
      expect(error).toBeInstanceOf(PortMappingError);
      expect(error).toEqual(jasmine.objectContaining({ message: jasmine.stringContaining('ECONNREFUSED') }));
    });
  });

  for (const { name, open } of [pcp, natPmp, upnp]) {
    it(`by ${name} fails when no packet can get to the gateway, rather than ending the program`, async () => {
      const gateway = await gatewayWith({});
      // To broadcast is not allowed to any of these sockets, so that nothing is ever sent.
      const address = '255.255.255.255';
      const request = requestTo(gateway, { scheduler: impatient({ [ANSWER_MS]: 300, [SEARCH_MS]: 300 }) });
      const error = await lab.use(new Holding(open, { ...request, gateway: { address, host: address } })).failed();
      expect(error instanceof PortMappingError || error instanceof TimeoutError).toBeTrue();
    });

    it(`by ${name} fails when there is no such local address any more, rather than ending the program`, async () => {
      const gateway = await gatewayWith({});
      // TEST-NET-1 (RFC 5737).
      const internal = { address: '192.0.2.77', port: PORT };
      const request = requestTo(gateway, { internal, scheduler: impatient({ [ANSWER_MS]: 300, [SEARCH_MS]: 300 }) });
      const error = await lab.use(new Holding(open, request)).failed();
      expect(error instanceof PortMappingError || error instanceof TimeoutError).toBeTrue();
    });
  }
});

/** Datagrams that would do harm if they were taken for the gateway's answer to a message. */
function forgeriesFor(message: Buffer, elsewhere: string): (Buffer | string)[] {
  const target = /^ST: *(.*)\r$/m.exec(message.toString())?.[1];
  if (target !== undefined) return [searchAnswer(target, elsewhere)];
  const address = Buffer.from(FORGED.split('.').map(Number));
  const opcode = 0x80 + message.readUInt8(1);
  const refusal = Buffer.from([0, opcode, 0, 1, 0, 0, 0, 0]);
  if (message[0] === 0) {
    const header = Buffer.from([0, opcode, 0, 0, 0, 0, 0, 9]);
    const success =
      message[1] === 0 ? address : Buffer.concat([message.subarray(4, 6), Buffer.from([1, 1, 0, 0, 9, 9])]);
    return [refusal, Buffer.concat([header, success])];
  }
  const success = Buffer.from(message);
  success.writeUInt8(opcode, 1);
  success.fill(0, 3, 4);
  if (success.length === 60) address.copy(success, 56);
  return [refusal, success];
}

/** Datagrams that are cut off, or no answers at all to a message. */
function piecesFor(message: Buffer): (Buffer | string)[] {
  const target = /^ST: *(.*)\r$/m.exec(message.toString())?.[1];
  if (target !== undefined) {
    const answer = searchAnswer('urn:schemas-upnp-org:device:Basic:1', 'http://203.0.113.66/');
    return ['', 'garbage', 'HTTP/1.1 200 OK\r\n\r\n', '\0'.repeat(9000), answer, answer.slice(0, 30), message];
  }
  const opcode = message.readUInt8(1);
  if (message[0] === 0) {
    const answer = Buffer.alloc(opcode === 0 ? 12 : 16, 9);
    answer.set([0, 0x80 + opcode, 0, 0]);
    const ofAnother = Buffer.from(answer);
    ofAnother.writeUInt8(0x80 + (opcode === 0 ? 2 : 1), 1);
    const lengths = Array.from({ length: answer.length }, (_, length) => answer.subarray(0, length));
    return [...lengths, Buffer.concat([answer, answer]), ofAnother, Buffer.alloc(2000), message];
  }
  const answer = Buffer.from(message);
  answer.writeUInt8(0x80 + opcode, 1);
  const ofAnother = Buffer.from(answer);
  ofAnother.writeUInt8(0x82, 1);
  const lengths = Array.from({ length: 24 }, (_, length) => answer.subarray(0, length));
  const ofAnotherNonce = Buffer.from(answer);
  if (opcode === 1) ofAnotherNonce.fill(0xee, 24, 36);
  return [...lengths, ofAnother, Buffer.alloc(2000), message, ...(opcode === 1 ? [ofAnotherNonce] : [])];
}
