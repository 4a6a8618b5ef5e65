import { firstValueFrom, of, Subject } from 'rxjs';
import type { PortMappingProtocol } from '../../lib/config.js';
import { PortMappingError, Rxp2pError, TimeoutError } from '../../lib/errors.js';
import { ANSWER_MS } from '../../lib/port-mapping/ask.js';
import { SEARCH_MS } from '../../lib/port-mapping/upnp/ssdp.js';
import type { Outcome } from '../../lib/operators/trace-outcome.js';
import { openPort } from '../../lib/port-mapping/open-port.js';
import type { PortRequest } from '../../lib/port-mapping/mapper.js';
import { upnp } from '../../lib/port-mapping/upnp.js';
import {
  answerOf,
  descriptionOf,
  FakeGateway,
  faultOf,
  NOT_AUTHORIZED,
  type GatewayOptions,
} from '../support/gateways.js';
import { impatient } from '../support/impatient.js';
import { Holding, PORT, requestTo } from '../support/mappings.js';
import { failureOf, Lab, newAddress } from '../support/nodes.js';

const ALL: readonly PortMappingProtocol[] = ['pcp', 'nat-pmp', 'upnp'];

describe('Opening a port', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  async function openGateway(options: GatewayOptions = {}): Promise<FakeGateway> {
    const gateway = await FakeGateway.open(options);
    lab.onClose(() => {
      gateway.close();
    });
    return gateway;
  }

  /** The race, and what is told of each protocol. */
  function race(request: PortRequest, names = ALL) {
    const told: (Outcome & { readonly protocol: PortMappingProtocol })[] = [];
    const holding = lab.use(
      new Holding(
        openPort(names, (protocol, outcome) => {
          told.push({ protocol, ...outcome });
        }),
        request,
      ),
    );
    return { holding, told };
  }

  const byUpnp = (request: PortRequest) => lab.use(new Holding(upnp.open, request));

  describe('by UPnP, of a gateway of its own kind', () => {
    it('that grants only permanent leases gives one, which is given back nevertheless', async () => {
      for (const igd of [1, 2] as const) {
        const gateway = await openGateway({ igd, isPermanentOnly: true });
        const holding = byUpnp(requestTo(gateway));
        expect((await holding.opened()).lifetimeMs).toBe(Infinity);
        expect(gateway.table.get(PORT)?.lifetimeSeconds).toBe(0);
        holding.unsubscribe();
        await gateway.until(({ table }) => table.size === 0);
      }
    });

    it('that grants only permanent leases is asked again after a restart', async () => {
      const gateway = await openGateway({ isPermanentOnly: true });
      const holding = byUpnp(requestTo(gateway, { timing: { mappingCheckMs: 20 } }));
      await holding.opened();
      gateway.restart();
      await holding.until((mappings) => mappings.length >= 2);
      expect(holding.mappings.at(-1)?.lifetimeMs).toBe(Infinity);
      expect(gateway.table.get(PORT)?.lifetimeSeconds).toBe(0);
    });

    it('that wants the same port inside and outside fails with its code where that is taken', async () => {
      for (const igd of [1, 2] as const) {
        const gateway = await openGateway({ igd, isSamePortOnly: true });
        const other = { client: newAddress(), internalPort: PORT, lifetimeSeconds: 0 };
        gateway.table.set(PORT, other);
        const error = await byUpnp(requestTo(gateway)).failed();
        expect(error).toBeInstanceOf(PortMappingError);
        expect(error instanceof PortMappingError && [718, 724].includes(error.refusal ?? 0)).toBeTrue();
        expect([...gateway.table]).toEqual([[PORT, other]]);
      }
    });

    it('that wants the same port inside and outside opens it where it is free', async () => {
      const gateway = await openGateway({ isSamePortOnly: true });
      expect((await byUpnp(requestTo(gateway)).opened()).external.port).toBe(PORT);
    });

    it('of version 2 that lacks AddAnyPortMapping is asked as one of version 1', async () => {
      const gateway = await openGateway({ igd: 2, lacksAddAny: true });
      gateway.table.set(PORT, { client: newAddress(), internalPort: PORT, lifetimeSeconds: 0 });
      const { external } = await byUpnp(requestTo(gateway)).opened();
      expect(external.port).not.toBe(PORT);
      expect(gateway.count('upnp AddAnyPortMapping')).toBeGreaterThan(0);
    });

    it('that hears only what is sent to all is found', async () => {
      const gateway = await openGateway({ isMulticastOnly: true });
      expect((await byUpnp(requestTo(gateway)).opened()).external.port).toBe(PORT);
    });

    it('that dials up is found by its old name', async () => {
      const service = 'WANPPPConnection:1';
      const gateway = await openGateway({ description: () => descriptionOf(1, { service }) });
      expect((await byUpnp(requestTo(gateway)).opened()).external.port).toBe(PORT);
    });

    it('that names its control by a whole URL is asked there', async () => {
      const gateway = await openGateway({
        description: (own) => descriptionOf(1, { controlUrl: `${own}/somewhere?x=1` }),
      });
      expect((await byUpnp(requestTo(gateway)).opened()).external.port).toBe(PORT);
    });
  });

  /** Gateways that mean harm, or know no better, and what is said of them. */
  const hostile: readonly (readonly [what: string, options: (stray: string) => GatewayOptions, kind: string])[] = [
    ['whose answer points elsewhere', (stray) => ({ location: () => `${stray}/rootDesc.xml` }), 'PORT_MAPPING'],
    ['whose answer points to a file', () => ({ location: () => 'file:///etc/passwd' }), 'PORT_MAPPING'],
    [
      'whose answer points to this machine by a trick',
      (stray) => ({ location: (own) => own.replace('http://', `http://x@${new URL(stray).host}/`) }),
      'PORT_MAPPING',
    ],
    ['whose answer points nowhere', () => ({ location: () => '' }), 'PORT_MAPPING'],
    ['whose answer is no URL', () => ({ location: () => 'http://[' }), 'PORT_MAPPING'],
    [
      'whose description names a control elsewhere',
      (stray) => ({ description: () => descriptionOf(1, { controlUrl: `${stray}/ctl` }) }),
      'PORT_MAPPING',
    ],
    [
      'whose description names a control that is none',
      () => ({ description: () => descriptionOf(1, { controlUrl: 'http://[' }) }),
      'PORT_MAPPING',
    ],
    [
      'whose description names a control of another protocol',
      () => ({ description: () => descriptionOf(1, { controlUrl: 'javascript:alert(1)' }) }),
      'PORT_MAPPING',
    ],
    [
      'whose description has no service that opens ports',
      () => ({ description: () => descriptionOf(1, { service: 'Printing:1' }) }),
      'PORT_MAPPING',
    ],
    [
      'whose description never ends',
      () => ({
        http: (_, response) => {
          const more = () => {
            while (response.write('<a>'.repeat(1000)));
          };
          response.on('drain', more);
          more();
          return true;
        },
      }),
      'HTTP',
    ],
    [
      'whose description is a bomb',
      () => ({
        description: () =>
          '<?xml version="1.0"?><!DOCTYPE root [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><root>&b;</root>',
      }),
      'HTTP',
    ],
    ['whose description is nested without measure', () => ({ description: () => '<root>'.repeat(40_000) }), 'HTTP'],
    ['whose description is empty', () => ({ description: () => '' }), 'HTTP'],
    [
      'whose description is a page for people',
      () => ({ description: () => '<html><body>Log in</body></html>' }),
      'HTTP',
    ],
    ['whose description is a list of nothing', () => ({ description: () => '<root/>' }), 'HTTP'],
    [
      'whose description has devices that are none',
      () => ({ description: () => '<root><device>7</device></root>' }),
      'PORT_MAPPING',
    ],
    [
      'that sends us elsewhere by HTTP',
      (stray) => ({
        http: (_, response) => {
          response.writeHead(302, { location: stray }).end();
          return true;
        },
      }),
      'HTTP',
    ],
    ['that hangs when it is asked by HTTP', () => ({ http: () => true }), 'TIMEOUT'],
    [
      'whose description comes a byte at a time',
      () => ({
        http: (_, response) => {
          const drip = setInterval(() => response.write('<'), 20);
          response.on('close', () => {
            clearInterval(drip);
          });
          return true;
        },
      }),
      'TIMEOUT',
    ],
    [
      'that answers each action with nothing',
      () => ({ http: ({ method }, response) => method === 'POST' && response.end() === response }),
      'HTTP',
    ],
    [
      'that answers each action with a fault that has no code',
      () => ({
        http: ({ method }, response) => method === 'POST' && response.end(faultOf(NaN)) === response,
      }),
      'PORT_MAPPING',
    ],
    [
      'whose external address is none',
      () => ({
        http: ({ headers }, response) =>
          String(headers['soapaction']).endsWith('#GetExternalIPAddress"') &&
          response.end(answerOf('GetExternalIPAddress', { NewExternalIPAddress: '<b/>' })) === response,
      }),
      'HTTP',
    ],
    ...['0', '70000', '-1', '1.5', 'x', ''].map(
      (port) =>
        [
          `of version 2 that opens port "${port}"`,
          () => ({
            igd: 2,
            http: ({ headers }, response) => {
              const action = /#(AddAny|GetSpecific)PortMapping(Entry)?"$/.exec(String(headers['soapaction']))?.[1];
              if (action === undefined) return false;
              // It lets nobody look.
              if (action === 'GetSpecific') response.writeHead(500).end(faultOf(401));
              else response.end(answerOf('AddAnyPortMapping', { NewReservedPort: port }));
              return true;
            },
          }),
          'HTTP',
        ] satisfies readonly [string, (stray: string) => GatewayOptions, string],
    ),
  ];

  describe('by UPnP, of a gateway', () => {
    for (const [what, options, code] of hostile) {
      it(`${what} fails in a way that is told, and nothing is asked elsewhere`, async () => {
        const stray = await openGateway();
        const gateway = await openGateway(options(stray.origin));
        // It may answer the search with something better until the time for answers is over.
        const error = await byUpnp(requestTo(gateway, { scheduler: impatient({ [SEARCH_MS]: 1_000 }) })).failed();
        expect(error).toBeInstanceOf(Rxp2pError);
        expect(error).toEqual(jasmine.objectContaining({ code }));
        expect(stray.heard.filter((each) => each !== 'upnp search')).toEqual([]);
        expect(gateway.changes).toBe(0);
      });

      it(`${what} does not keep the other protocols from winning`, async () => {
        const stray = await openGateway();
        const gateway = await openGateway({ ...options(stray.origin), manners: { pcp: 'silent' } });
        const { holding } = race(requestTo(gateway));
        expect((await holding.opened()).protocol).toBe('nat-pmp');
      });
    }
  });

  describe('by whichever protocol is first', () => {
    it('has one winner, whose mapping the losers leave alone', async () => {
      for (const winner of ALL) {
        const manners = Object.fromEntries(ALL.map((name) => [name, name === winner ? 'grants' : 'silent'] as const));
        const gateway = await openGateway({ manners });
        const { holding } = race(requestTo(gateway));
        expect((await holding.opened()).protocol).toBe(winner);
        expect(gateway.table.get(PORT)?.internalPort).toBe(PORT);
      }
    });

    it('asks for a port by one protocol at a time, so that the losers have nothing to give back', async () => {
      for (const igd of [1, 2] as const) {
        const gateway = await openGateway({ igd });
        const request = requestTo(gateway);
        const { holding, told } = race(request);
        await holding.opened();
        const maps = gateway.heard.filter((each) => / map$|Add(Any)?PortMapping$/.test(each));
        expect(new Set(maps)).toHaveSize(1);
        // After all that the losers could have on their way: another host asks the same gateway by each of the protocols.
        for (const name of ALL) {
          const other = race(requestTo(gateway), [name]).holding;
          await other.opened();
          other.unsubscribe();
        }
        await gateway.until(({ table }) => table.size === 1);
        expect(gateway.table.get(PORT)?.client).toBe(request.internal.address);
        const ends = told.filter(({ outcome }) => outcome !== 'started').map(({ outcome }) => outcome);
        expect(ends.toSorted()).toEqual(['cancelled', 'cancelled', 'succeeded']);
      }
    });

    it('goes on with the next protocol when one is refused', async () => {
      for (const [refused, winner] of [
        [['pcp'], 'nat-pmp'],
        [['pcp', 'nat-pmp'], 'upnp'],
        [['nat-pmp', 'upnp'], 'pcp'],
      ] as const) {
        const manners = Object.fromEntries(
          ALL.map((name) => [name, refused.some((each) => each === name) ? ('refuses' as const) : ('silent' as const)]),
        );
        const gateway = await openGateway({ manners: { ...manners, [winner]: 'grants' } });
        const { holding } = race(requestTo(gateway));
        expect((await holding.opened()).protocol).toBe(winner);
      }
    });

    it('goes on with the next protocol when the gateway stops answering one', async () => {
      const gateway = await openGateway({ manners: { pcp: 'mute', upnp: 'silent' } });
      const { holding } = race(requestTo(gateway));
      expect((await holding.opened()).protocol).toBe('nat-pmp');
    });

    it('finds the gateway before its turn, and asks for nothing until then', async () => {
      const gateway = await openGateway();
      const request = requestTo(gateway);
      const goOn = new Subject<void>();
      lab.use(request.turn(goOn).subscribe());
      const { holding } = race(request);
      const questions = ['pcp announce', 'nat-pmp address', 'upnp GetExternalIPAddress'];
      await gateway.until(({ heard }) => questions.every((each) => heard.includes(each)));
      expect(gateway.changes).toBe(0);
      goOn.complete();
      expect((await holding.opened()).external.port).toBe(PORT);
    });

    it('fails with the error of each when all fail', async () => {
      const gateway = await openGateway({ manners: { pcp: 'refuses', 'nat-pmp': 'silent', upnp: 'refuses' } });
      const { holding, told } = race(
        requestTo(gateway, { scheduler: impatient({ [ANSWER_MS]: 1_000, [SEARCH_MS]: 1_000 }) }),
      );
      const error = await holding.failed();
      if (!(error instanceof AggregateError)) throw error;
      const errors: readonly unknown[] = error.errors;
      const [byPcp, byNatPmp, byUpnpIgd] = errors;
      expect(byPcp).toEqual(jasmine.objectContaining({ refusal: NOT_AUTHORIZED.pcp }));
      expect(byNatPmp).toBeInstanceOf(TimeoutError);
      expect(byUpnpIgd).toEqual(jasmine.objectContaining({ refusal: NOT_AUTHORIZED.upnp }));
      expect(told.filter(({ outcome }) => outcome === 'failed')).toHaveSize(3);
    });

    it('asks by those that are switched on alone', async () => {
      const gateway = await openGateway();
      const { holding } = race(requestTo(gateway), ['upnp']);
      expect((await holding.opened()).protocol).toBe('upnp');
      expect(gateway.heard.filter((each) => !each.startsWith('upnp'))).toEqual([]);
    });

    it('fails when none is for the family of the port', async () => {
      const gateway = await openGateway();
      const request = { ...requestTo(gateway), internal: { address: '::1', port: PORT } };
      expect(await failureOf(of(request).pipe(openPort(['nat-pmp'], () => undefined)))).toBeInstanceOf(
        PortMappingError,
      );
    });

    it('gives the port back when nobody wants it any more', async () => {
      const gateway = await openGateway();
      const mapping = await firstValueFrom(of(requestTo(gateway)).pipe(openPort(ALL, () => undefined)));
      expect(mapping.external.port).toBe(PORT);
      await gateway.until(({ table }) => table.size === 0);
    });
  });
});
