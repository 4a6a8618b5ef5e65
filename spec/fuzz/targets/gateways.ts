import { canonicalAddress } from '../../../lib/endpoint.js';
import { HttpError, PortMappingError } from '../../../lib/errors.js';
import { parsePcp, formatAnnounce, formatMap } from '../../../lib/port-mapping/pcp-messages.js';
import { DESCRIPTION_NAMES, servicesIn } from '../../../lib/port-mapping/upnp/description.js';
import { defaultRouteIn } from '../../../lib/port-mapping/routes.js';
import { parseAction } from '../../../lib/port-mapping/upnp/soap.js';
import { elementAt, parseXml } from '../../../lib/port-mapping/upnp/xml.js';
import { classify } from '../../../lib/nat/classify.js';
import { answerOf, descriptionOf, faultOf } from '../../support/gateways.js';
import { expectThat, orFails, type Target } from '../target.js';

const pcp: Target = {
  name: 'PCP answers',
  reaches: ['lib/port-mapping/pcp-messages'],
  seeds: [
    answering(formatAnnounce('192.168.1.11')),
    answering(
      formatMap({
        client: '192.168.1.11',
        nonce: Buffer.alloc(12, 7),
        internalPort: 4000,
        externalPort: 4000,
        lifetimeSeconds: 7200,
      }),
    ),
  ],
  run: (input) => parsePcp(input),
};

/** The answer to a request has the same layout, and a bit that says what it is (RFC 6887 §7.2). */
function answering(request: Buffer): Buffer {
  const answer = Buffer.from(request);
  answer[1] = (answer[1] ?? 0) | 0x80;
  return answer;
}

const LOCATION = new URL('http://192.168.1.1:5000/rootDesc.xml');
const WANTED = ['urn:schemas-upnp-org:service:WANIPConnection:1', 'urn:schemas-upnp-org:service:WANIPConnection:2'];

const upnp: Target = {
  name: 'UPnP descriptions and answers',
  reaches: ['lib/port-mapping/upnp/soap', 'lib/port-mapping/upnp/xml', 'lib/port-mapping/upnp/description'],
  seeds: [
    descriptionOf(1),
    descriptionOf(2),
    answerOf('AddPortMapping', {}),
    answerOf('GetExternalIPAddress', { NewExternalIPAddress: '198.51.100.7' }),
    faultOf(725),
  ].map((text) => Buffer.from(text)),
  run: (input) => {
    const text = input.toString('utf8');
    const document = orFails([HttpError], () => parseXml(text, DESCRIPTION_NAMES));
    const root = document === undefined ? undefined : elementAt(document, 'root');
    if (root !== undefined) {
      const device = elementAt(root, 'device') ?? root;
      const services = [elementAt(device, 'serviceList', 'service'), device];
      for (const { urls } of servicesIn(root, services, LOCATION, WANTED))
        expectThat(urls.length > 0 && urls.length <= 3, 'Expected a few URLs of a service', urls.length);
    }
    orFails([HttpError, PortMappingError], () => parseAction('GetExternalIPAddress', text));
  },
};

const ROUTES = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
`;

const routes: Target = {
  name: 'tables of routes',
  reaches: ['lib/port-mapping/routes'],
  seeds: [
    Buffer.from(ROUTES),
    Buffer.from(
      `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n`,
    ),
  ],
  run: (input) => {
    const text = input.toString('latin1');
    for (const family of [4, 6] as const) {
      const gateway = defaultRouteIn(family, text, 'LE')?.gateway;
      if (gateway !== undefined) expectThat(canonicalAddress(gateway) !== undefined, 'Expected an address', gateway);
    }
  },
};

/** What servers say of where they see a node is what anybody may say. */
const nats: Target = {
  name: 'what is seen of a NAT',
  reaches: ['lib/nat/classify'],
  seeds: [Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), Buffer.alloc(40, 7)],
  run: (input) => {
    const samples = Array.from({ length: Math.min(64, Math.floor(input.length / 5)) }, (_, i) => ({
      localPort: 1 + input.readUInt16BE(5 * i),
      server: { address: `198.51.100.${(input[5 * i + 4] ?? 0) % 3}`, port: 8000 },
      observed: { address: '203.0.113.9', port: 1 + input.readUInt16BE(5 * i + 2) },
    }));
    classify(samples, ['192.168.1.11']);
  },
};

export const GATEWAY_TARGETS: readonly Target[] = [pcp, upnp, routes, nats];
