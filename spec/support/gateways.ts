import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket as TcpSocket } from 'node:net';
import { text as textFrom } from 'node:stream/consumers';
import type { PortMappingProtocol } from '../../lib/config.js';
import type { Gateway } from '../../lib/port-mapping/gateway.js';
import { elementAt, parseXml, textOf, type XmlElement } from '../../lib/port-mapping/upnp/xml.js';
import { addressOf, newAddress } from './nodes.js';

/** A line of a gateway's table: where one of its TCP ports leads. */
export interface Entry {
  readonly client: string;
  readonly internalPort: number;
  /** For how long it was granted, in seconds; 0 is for good. */
  readonly lifetimeSeconds: number;
  /** By whom PCP's mappings can be changed. */
  readonly nonce?: string;
}

/** How a gateway behaves towards those who ask by one protocol. */
export type Manner =
  | 'grants'
  /** Answers nothing. */
  | 'silent'
  /** Says what it is, but opens no port. */
  | 'refuses'
  /** Does what it is asked, and never says so. */
  | 'mute';

/** What a spec can choose of a gateway. */
export interface GatewayOptions {
  readonly manners?: Partial<Record<PortMappingProtocol, Manner>>;
  /** Of the UPnP device. */
  readonly igd?: 1 | 2;
  /** IGD:1 and IGD:2 gateways that know only leases for good. */
  readonly isPermanentOnly?: boolean;
  /** IGD:1 gateways whose external port must be the internal one. */
  readonly isSamePortOnly?: boolean;
  /** IGD:2 gateways that lack the action all the same. */
  readonly lacksAddAny?: boolean;
  /** Answers a search by multicast alone, as some do. */
  readonly isMulticastOnly?: boolean;
  /** What it answers by HTTP in the place of its own answer, if anything. */
  readonly http?: (request: IncomingMessage, response: ServerResponse, body: string) => boolean;
  /** What it answers to a search for a target in the place of its own answer; `location` is its description's address. */
  readonly search?: (target: string, location: string) => readonly string[];
  /** What it says in the place of its description's address. */
  readonly location?: (own: string) => string;
  /** What it puts in the place of its own description. */
  readonly description?: (own: string) => string;
}

/** What UPnP gateways refuse with when the action is not for everybody (UPnP Device Architecture 1.1 §3.2.2). */
export const NOT_AUTHORIZED = { pcp: 2, 'nat-pmp': 2, upnp: 606 } as const;

const PORT_MAPPING_PORT = 5351;
const SSDP_PORT = 1900;
const SSDP_MULTICAST = '239.255.255.250';
const TCP = 6;

/** The first external port that is given to whom wants one that is taken. */
const FIRST_FREE_PORT = 61_001;

/**
 * A gateway on a loopback address of its own that takes PCP and NAT-PMP at UDP port 5351, and UPnP by SSDP at UDP port 1900
 * and by HTTP. All keep one table, as those of real ones do.
 */
export class FakeGateway {
  readonly table = new Map<number, Entry>();
  /** What it was asked, in the order of asking, such as `pcp map`, `upnp AddPortMapping`. */
  readonly heard: string[] = [];
  readonly manners: Record<PortMappingProtocol, Manner>;
  external = '198.51.100.7';
  /** The seconds that it has been up, when it was told so. */
  #bootedAt = Date.now() - 1_000_000;
  /** How often the table was changed. */
  changes = 0;
  /** Does something at each datagram before the gateway answers it. */
  intruder: ((message: Buffer, from: RemoteInfo) => Promise<void>) | undefined;

  readonly #waiting = new Set<() => void>();
  readonly #tcp = new Set<TcpSocket>();
  #nextPort = FIRST_FREE_PORT;

  private constructor(
    readonly address: string,
    readonly options: GatewayOptions,
    readonly mapping: Socket,
    readonly ssdp: Socket,
    readonly multicast: Socket | undefined,
    readonly http: Server,
  ) {
    this.manners = { pcp: 'grants', 'nat-pmp': 'grants', upnp: 'grants', ...options.manners };
    mapping.on('message', (message, from) => {
      this.#afterIntruder(message, from, () => {
        this.#takeDatagram(message, from);
      });
    });
    for (const socket of [ssdp, multicast]) {
      socket?.on('message', (message, from) => {
        this.#afterIntruder(message, from, () => {
          this.#takeSearch(message.toString(), from, socket === multicast);
        });
      });
    }
    http.on('connection', (socket) => {
      this.#tcp.add(socket);
      socket.on('close', () => this.#tcp.delete(socket));
    });
    http.on('request', (request, response) => {
      void this.#takeRequest(request, response);
    });
  }

  static async open(options: GatewayOptions = {}): Promise<FakeGateway> {
    const address = newAddress();
    const [mapping, ssdp] = [createSocket('udp4'), createSocket('udp4')];
    const multicast = options.isMulticastOnly === true ? createSocket({ type: 'udp4', reuseAddr: true }) : undefined;
    const http = createServer();
    mapping.bind(PORT_MAPPING_PORT, address);
    ssdp.bind(SSDP_PORT, address);
    multicast?.bind(SSDP_PORT, SSDP_MULTICAST, () => {
      multicast.addMembership(SSDP_MULTICAST, '127.0.0.1');
    });
    http.listen(0, address);
    await Promise.all(
      [mapping, ssdp, http, ...(multicast === undefined ? [] : [multicast])].map((each) => once(each, 'listening')),
    );
    return new FakeGateway(address, options, mapping, ssdp, multicast, http);
  }

  /** As the library knows it. */
  get gateway(): Gateway {
    return { address: this.address, host: this.address };
  }

  /** Where its HTTP is. */
  get origin(): string {
    return `http://${this.address}:${addressOf(this.http).port}`;
  }

  /** Forgets everything, as one does that lost its power. */
  restart(): void {
    this.#bootedAt = Date.now();
    this.change(() => {
      this.table.clear();
    });
  }

  /** Gets another address of the provider's; PCP's epoch begins anew with it (RFC 6887 §8.5). */
  move(external: string): void {
    this.external = external;
    this.#bootedAt = Date.now();
    this.change(() => undefined);
  }

  /** Changes the table. */
  change(action: () => void): void {
    action();
    this.changes++;
    this.#tell();
  }

  /** Waits until something is true of it. */
  async until(condition: (gateway: this) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  /** How often it was asked something. */
  count(what: string): number {
    return this.heard.filter((each) => each === what).length;
  }

  close(): void {
    this.mapping.close();
    this.ssdp.close();
    this.multicast?.close();
    this.http.close();
    for (const socket of this.#tcp) socket.destroy();
  }

  #tell(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  #hear(what: string): void {
    this.heard.push(what);
    this.#tell();
  }

  get #seconds(): number {
    return Math.floor((Date.now() - this.#bootedAt) / 1000);
  }

  /** The external port for whom wants one: another where another client has it. */
  #freePort(wish: number, entry: Entry): number {
    const isFree = (port: number) => {
      const holder = this.table.get(port);
      return holder === undefined || isSame(holder, entry);
    };
    if (wish !== 0 && isFree(wish)) return wish;
    while (this.table.has(this.#nextPort)) this.#nextPort++;
    return this.#nextPort;
  }

  #portOf(client: string, internalPort: number): number | undefined {
    return [...this.table].find(([, entry]) => isSame(entry, { client, internalPort }))?.[0];
  }

  #afterIntruder(message: Buffer, from: RemoteInfo, take: () => void): void {
    if (this.intruder === undefined) take();
    else void this.intruder(message, from).then(take);
  }

  #takeDatagram(message: Buffer, from: RemoteInfo): void {
    const send = (answer: Buffer) => {
      this.mapping.send(answer, from.port, from.address);
    };
    if (message[0] === 0) this.#takeNatPmp(message, from, send);
    else if (message[0] === 2) this.#takePcp(message, from, send);
  }

  /** RFC 6886. */
  #takeNatPmp(message: Buffer, from: RemoteInfo, send: (answer: Buffer) => void): void {
    const opcode = message.readUInt8(1);
    const manner = this.manners['nat-pmp'];
    this.#hear(opcode === 0 ? 'nat-pmp address' : message.readUInt32BE(8) === 0 ? 'nat-pmp unmap' : 'nat-pmp map');
    if (manner === 'silent') return;
    const header = Buffer.alloc(8);
    header.writeUInt8(128 + opcode, 1);
    header.writeUInt32BE(this.#seconds, 4);
    if (opcode === 0) {
      send(Buffer.concat([header, Buffer.from(this.external.split('.').map(Number))]));
      return;
    }
    const rest = Buffer.alloc(8);
    const [internalPort, wish, lifetimeSeconds] = [
      message.readUInt16BE(4),
      message.readUInt16BE(6),
      message.readUInt32BE(8),
    ];
    rest.writeUInt16BE(internalPort, 0);
    if (lifetimeSeconds > 0 && manner === 'refuses') {
      header.writeUInt16BE(NOT_AUTHORIZED['nat-pmp'], 2);
    } else if (lifetimeSeconds === 0) {
      this.#remove(this.#portOf(from.address, internalPort));
    } else {
      const entry = { client: from.address, internalPort, lifetimeSeconds };
      const port = this.#portOf(from.address, internalPort) ?? this.#freePort(wish, entry);
      this.change(() => this.table.set(port, entry));
      rest.writeUInt16BE(port, 2);
      rest.writeUInt32BE(lifetimeSeconds, 4);
    }
    if (manner !== 'mute') send(Buffer.concat([header, rest]));
  }

  /** RFC 6887. */
  #takePcp(message: Buffer, from: RemoteInfo, send: (answer: Buffer) => void): void {
    const opcode = message.readUInt8(1);
    const lifetimeSeconds = message.readUInt32BE(4);
    const manner = this.manners.pcp;
    this.#hear(opcode === 0 ? 'pcp announce' : lifetimeSeconds === 0 ? 'pcp unmap' : 'pcp map');
    if (manner === 'silent') return;
    const answer = Buffer.from(message);
    answer.fill(0, 3, 24);
    answer.writeUInt8(0x80 + opcode, 1);
    answer.writeUInt32BE(this.#seconds, 8);
    if (opcode === 0) {
      send(answer);
      return;
    }
    const nonce = message.toString('hex', 24, 36);
    const [internalPort, wish] = [message.readUInt16BE(40), message.readUInt16BE(42)];
    const known = this.#portOf(from.address, internalPort);
    const holder = known === undefined ? undefined : this.table.get(known);
    // §8.1, §11.3: nobody opens ports for others, or changes what was opened with another nonce.
    const isOurs = holder?.nonce === undefined || holder.nonce === nonce;
    if (message[36] !== TCP || !message.subarray(8, 24).equals(mappedBytes(from.address))) {
      answer.writeUInt8(12, 3);
    } else if (!isOurs || (lifetimeSeconds > 0 && manner === 'refuses')) {
      answer.writeUInt8(NOT_AUTHORIZED.pcp, 3);
    } else if (lifetimeSeconds === 0) {
      this.#remove(known);
    } else {
      const entry = { client: from.address, internalPort, lifetimeSeconds, nonce };
      const port = known ?? this.#freePort(wish, entry);
      this.change(() => this.table.set(port, entry));
      answer.writeUInt32BE(lifetimeSeconds, 4);
      answer.writeUInt16BE(port, 42);
      mappedBytes(this.external).copy(answer, 44);
    }
    if (manner !== 'mute') send(answer);
  }

  #remove(port: number | undefined): void {
    if (port === undefined) return;
    this.change(() => {
      this.table.delete(port);
    });
  }

  #takeSearch(message: string, from: RemoteInfo, isByMulticast: boolean): void {
    this.#hear('upnp search');
    if (this.manners.upnp === 'silent' || isByMulticast !== (this.options.isMulticastOnly === true)) return;
    const target = /^ST: *(.*)\r$/m.exec(message)?.[1] ?? '';
    if (!message.startsWith('M-SEARCH * HTTP/1.1\r\n')) return;
    const own = `${this.origin}/rootDesc.xml`;
    const location = this.options.location?.(own) ?? own;
    for (const answer of this.options.search?.(target, location) ?? [searchAnswer(target, location)]) {
      this.ssdp.send(answer, from.port, from.address);
    }
  }

  async #takeRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const body = await textFrom(request).catch(() => '');
    if (this.options.http?.(request, response, body) === true) {
      this.#hear(`http ${request.url ?? ''}`);
      return;
    }
    if (this.manners.upnp === 'silent') {
      this.#hear(`http ${request.url ?? ''}`);
      return;
    }
    if (request.method === 'GET') {
      this.#hear('upnp description');
      response.end(this.options.description?.(this.origin) ?? descriptionOf(this.options.igd ?? 1));
      return;
    }
    const action = /#([A-Za-z]+)"$/.exec(String(request.headers['soapaction']))?.[1] ?? '';
    const values = elementAt(parseXml(body), 'Envelope', 'Body', action) ?? {};
    const answer = this.#act(action, values, request.socket.remoteAddress ?? '');
    this.#hear(`upnp ${action}`);
    if (this.manners.upnp === 'mute' && action.startsWith('Add')) return;
    if (typeof answer === 'number') response.writeHead(500).end(faultOf(answer));
    else response.end(answerOf(action, answer));
  }

  /** WANIPConnection:1 and :2: what an action returns, or the code that it is refused with. */
  #act(action: string, values: XmlElement, client: string): Readonly<Record<string, string | number>> | number {
    const { igd, isPermanentOnly, isSamePortOnly, lacksAddAny } = this.options;
    const port = Number(textOf(values, 'NewExternalPort'));
    const holder = this.table.get(port);
    switch (action) {
      case 'GetExternalIPAddress':
        return { NewExternalIPAddress: this.external };
      case 'GetSpecificPortMappingEntry':
        if (holder === undefined) return 714;
        return { NewInternalPort: holder.internalPort, NewInternalClient: holder.client, NewEnabled: 1 };
      case 'DeletePortMapping':
        if (holder === undefined) return 714;
        if (holder.client !== client) return 606;
        this.#remove(port);
        return {};
      case 'AddAnyPortMapping':
        if (igd !== 2 || lacksAddAny === true) return 401;
        break;
      case 'AddPortMapping':
        break;
      default:
        return 401;
    }
    const entry = {
      client: textOf(values, 'NewInternalClient') ?? '',
      internalPort: Number(textOf(values, 'NewInternalPort')),
      lifetimeSeconds: Number(textOf(values, 'NewLeaseDuration')),
    };
    if (this.manners.upnp === 'refuses' || entry.client !== client) return NOT_AUTHORIZED.upnp;
    if (isPermanentOnly === true && entry.lifetimeSeconds !== 0) return 725;
    const free = this.#freePort(port, entry);
    if (action === 'AddPortMapping' && free !== port) return 718;
    if (isSamePortOnly === true && free !== entry.internalPort) return 724;
    this.change(() => this.table.set(free, entry));
    return action === 'AddAnyPortMapping' ? { NewReservedPort: free } : {};
  }
}

/** Whether two entries lead to the same place. */
function isSame(a: Pick<Entry, 'client' | 'internalPort'>, b: Pick<Entry, 'client' | 'internalPort'>): boolean {
  return a.client === b.client && a.internalPort === b.internalPort;
}

/** An IPv4 address in 16 bytes. */
function mappedBytes(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.fill(0xff, 10, 12);
  bytes.set(address.split('.').map(Number), 12);
  return bytes;
}

/** The answer to a search (UPnP Device Architecture 1.1 §1.3.3). */
export function searchAnswer(target: string, location: string): string {
  return (
    'HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n' +
    `ST: ${target}\r\nUSN: uuid:00000000-0000-0000-0000-000000000001::${target}\r\nEXT:\r\n` +
    `SERVER: spec UPnP/1.1\r\nLOCATION: ${location}\r\n\r\n`
  );
}

/** A description as miniupnpd's, of either version; what is in it can be chosen. */
export function descriptionOf(
  igd: 1 | 2,
  {
    service = `WANIPConnection:${igd}`,
    controlUrl = '/ctl/IPConn',
  }: { readonly service?: string; readonly controlUrl?: string } = {},
): string {
  const device = (name: string, inner: string) =>
    `<device><deviceType>urn:schemas-upnp-org:device:${name}:${igd}</deviceType><friendlyName>spec</friendlyName>${inner}</device>`;
  const entry = (type: string, control: string) =>
    `<serviceList><service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType>` +
    `<serviceId>urn:upnp-org:serviceId:x</serviceId><controlURL>${control}</controlURL>` +
    '<eventSubURL>/evt</eventSubURL><SCPDURL>/scpd.xml</SCPDURL></service></serviceList>';
  const connection = device('WANConnectionDevice', entry(service, controlUrl));
  const wan = device(
    'WANDevice',
    `${entry('WANCommonInterfaceConfig:1', '/ctl/CmnIfCfg')}<deviceList>${connection}</deviceList>`,
  );
  const root = device(
    'InternetGatewayDevice',
    `${entry('Layer3Forwarding:1', '/ctl/L3F')}<deviceList>${wan}</deviceList>`,
  );
  return (
    '<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0" configId="1337">' +
    `<specVersion><major>1</major><minor>1</minor></specVersion>${root}</root>`
  );
}

/** What an action returned, as SOAP. */
export function answerOf(action: string, values: Readonly<Record<string, string | number>>): string {
  const inner = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`);
  return enveloped(
    `<u:${action}Response xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">${inner.join('')}</u:${action}Response>`,
  );
}

/** A refusal, as SOAP. */
export function faultOf(code: number): string {
  return enveloped(
    '<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>' +
      '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0">' +
      `<errorCode>${code}</errorCode><errorDescription>No</errorDescription></UPnPError></detail></s:Fault>`,
  );
}

function enveloped(body: string): string {
  return (
    '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    `s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>${body}</s:Body></s:Envelope>\r\n`
  );
}
