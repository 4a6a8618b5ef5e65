/** The smallest clients of the three port mapping protocols: enough to prove that a gateway speaks one and that it works. */
import type { PortMappingProtocol } from './networks.js';
import type { Endpoint, Probe } from './probe-client.js';

/** What a gateway did with a request to map a TCP port: the external endpoint and the version it names, or no answer. */
export type Mapped = { readonly external: Endpoint; readonly version: string } | 'refused' | 'silent';

export interface MapRequest {
  readonly probe: Probe;
  readonly gateway: string;
  readonly host: string;
  readonly port: number;
}

/** The gateway is one hop away, without delay. */
const ANSWER_MS = 400;

/** For an HTTP answer of a gateway that has answered the search: it comes, on a busy machine too. */
const HTTP_ANSWER_MS = 10_000;
const LIFETIME_SECONDS = 600;
const TCP = 6;

/** RFC 6886: ask for the external address, then for the mapping. */
const natPmp = async ({ probe, gateway, port }: MapRequest): Promise<Mapped> => {
  const at = { address: gateway, port: 5351 };
  const address = await probe.udp(at, Buffer.from([0, 0]), ANSWER_MS);
  if (typeof address === 'string') return address;
  const request = Buffer.alloc(12);
  request.writeUInt8(2, 1); // map TCP
  request.writeUInt16BE(port, 4);
  request.writeUInt16BE(port, 6);
  request.writeUInt32BE(LIFETIME_SECONDS, 8);
  const answer = await probe.udp(at, request, ANSWER_MS);
  if (typeof answer === 'string') return answer;
  expectSuccess('NAT-PMP', address.readUInt16BE(2));
  expectSuccess('NAT-PMP', answer.readUInt16BE(2));
  return {
    external: { address: address.subarray(8, 12).join('.'), port: answer.readUInt16BE(10) },
    version: String(answer[0]),
  };
};

/** RFC 6887: MAP; addresses are IPv4-mapped IPv6 ones. */
const pcp = async ({ probe, gateway, host, port }: MapRequest): Promise<Mapped> => {
  const request = Buffer.alloc(60);
  request.writeUInt8(2, 0);
  request.writeUInt8(1, 1); // MAP
  request.writeUInt32BE(LIFETIME_SECONDS, 4);
  request.set([...IPV4_MAPPED, ...host.split('.').map(Number)], 8);
  request.write('self-check!!', 24, 'latin1'); // the nonce
  request.writeUInt8(TCP, 36);
  request.writeUInt16BE(port, 40);
  request.writeUInt16BE(port, 42);
  request.set([...IPV4_MAPPED, 0, 0, 0, 0], 44);
  const answer = await probe.udp({ address: gateway, port: 5351 }, request, ANSWER_MS);
  if (typeof answer === 'string') return answer;
  expectSuccess('PCP', answer.readUInt8(3));
  return {
    external: { address: answer.subarray(56, 60).join('.'), port: answer.readUInt16BE(42) },
    version: String(answer[0]),
  };
};

const IPV4_MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** UPnP: SSDP search, description, GetExternalIPAddress, AddPortMapping. */
const upnp = async ({ probe, host, port }: MapRequest): Promise<Mapped> => {
  const found = await probe.udp({ address: '239.255.255.250', port: 1900 }, SEARCH, ANSWER_MS);
  if (typeof found === 'string') return found;
  const location = pick(found.toString(), /^location: *(\S+)/im);
  const description = await probe.get(location, HTTP_ANSWER_MS);
  const version = pick(description, /<deviceType>urn:schemas-upnp-org:device:(InternetGatewayDevice:\d)</);
  const [, service = '', control = ''] =
    /<serviceType>(urn:schemas-upnp-org:service:WANIPConnection:\d)<[^]*?<controlURL>([^<]+)</.exec(description) ?? [];
  const call = async (action: string, args: string) => {
    const body = envelope(`<u:${action} xmlns:u="${service}">${args}</u:${action}>`);
    const answer = await probe.soap(new URL(control, location).href, `${service}#${action}`, body, HTTP_ANSWER_MS);
    if (answer.status !== 200) throw new Error(`UPnP ${action} failed with status ${answer.status}: ${answer.body}`);
    return answer.body;
  };
  const address = pick(await call('GetExternalIPAddress', ''), /<NewExternalIPAddress>([^<]+)</);
  const mapping = {
    NewRemoteHost: '',
    NewExternalPort: port,
    NewProtocol: 'TCP',
    NewInternalPort: port,
    NewInternalClient: host,
    NewEnabled: 1,
  };
  const rest = { NewPortMappingDescription: 'self-check', NewLeaseDuration: LIFETIME_SECONDS };
  const tags = Object.entries({ ...mapping, ...rest }).map(([name, value]) => `<${name}>${value}</${name}>`);
  await call('AddPortMapping', tags.join(''));
  return { external: { address, port }, version };
};

const SEARCH = Buffer.from(
  [
    'M-SEARCH * HTTP/1.1',
    'HOST: 239.255.255.250:1900',
    'MAN: "ssdp:discover"',
    'MX: 1',
    'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1',
    '\r\n',
  ].join('\r\n'),
);

const envelope = (body: string): string =>
  '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
  `s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>${body}</s:Body></s:Envelope>`;

const pick = (text: string, pattern: RegExp): string => {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`No ${String(pattern)} in: ${text}`);
  return found;
};

const expectSuccess = (protocol: string, code: number): void => {
  if (code !== 0) throw new Error(`The gateway answered a ${protocol} request with result code ${code}`);
};

export const MAP_PORT: Readonly<Record<PortMappingProtocol, (request: MapRequest) => Promise<Mapped>>> = {
  upnp,
  'nat-pmp': natPmp,
  pcp,
};
