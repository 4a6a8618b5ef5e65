import { HttpError, PortMappingError } from '../../../lib/errors.js';
import { parsePcp, formatAnnounce, formatMap } from '../../../lib/gateway/pcp-messages.js';
import { elementAt, parseAction, parseXml, textOf } from '../../../lib/gateway/soap.js';
import { classify } from '../../../lib/nat/classify.js';
import { answerOf, descriptionOf, faultOf } from '../../support/gateways.js';
import { orFails, type Target } from '../target.js';

const pcp: Target = {
  name: 'PCP answers',
  reaches: ['lib/gateway/pcp-messages'],
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

const upnp: Target = {
  name: 'UPnP descriptions and answers',
  reaches: ['lib/gateway/soap'],
  seeds: [
    descriptionOf(1),
    descriptionOf(2),
    answerOf('AddPortMapping', {}),
    answerOf('GetExternalIPAddress', { NewExternalIPAddress: '198.51.100.7' }),
    faultOf(725),
  ].map((text) => Buffer.from(text)),
  run: (input) => {
    const text = input.toString('utf8');
    const root = orFails([HttpError, PortMappingError], () => parseXml(text));
    if (root !== undefined) {
      const device = elementAt(root, 'root', 'device');
      if (device !== undefined) textOf(device, 'deviceType');
    }
    orFails([HttpError, PortMappingError], () => parseAction('GetExternalIPAddress', text));
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

export const GATEWAY_TARGETS: readonly Target[] = [pcp, upnp, nats];
