import { parseXml } from '../../../lib/port-mapping/upnp/xml.js';
import { routerNameIn, servicesIn } from '../../../lib/port-mapping/upnp/description.js';

const IP = 'urn:schemas-upnp-org:service:WANIPConnection:1';
const PPP = 'urn:schemas-upnp-org:service:WANPPPConnection:1';
const LOCATION = new URL('http://192.168.1.1:5000/igd/rootDesc.xml');

/** Where the control of one service may be, by what its description says. */
function urlsOf(controlURL: string, root: Readonly<Record<string, unknown>> = {}): readonly string[] {
  const services = servicesIn(root, [{ serviceType: IP, controlURL }], LOCATION, [IP]);
  return services.flatMap(({ urls }) => urls.map(({ href }) => href));
}

describe('The control of a service in a description', () => {
  it('is where its URL says, when that is a whole one or begins at the top', () => {
    expect(urlsOf('http://192.168.1.1:49152/ctl')).toEqual(['http://192.168.1.1:49152/ctl']);
    expect(urlsOf('/ctl/IPConn?x=1')).toEqual(['http://192.168.1.1:5000/ctl/IPConn?x=1']);
  });

  it('is beside the description by a relative URL, or else below the top, as some gateways mean it', () => {
    expect(urlsOf('ctl/IPConn')).toEqual([
      'http://192.168.1.1:5000/igd/ctl/IPConn',
      'http://192.168.1.1:5000/ctl/IPConn',
    ]);
    expect(urlsOf('../ctl')).toEqual(['http://192.168.1.1:5000/ctl']);
    expect(urlsOf('?ctl')[0]).toBe('http://192.168.1.1:5000/igd/rootDesc.xml?ctl');
  });

  it('is relative to URLBase where there is one, or else to the description', () => {
    const URLBase = 'http://192.168.1.1:2828';
    expect(urlsOf('/ctl', { URLBase })).toEqual(['http://192.168.1.1:2828/ctl', 'http://192.168.1.1:5000/ctl']);
    expect(urlsOf('ctl', { URLBase: `${URLBase}/a/` })[0]).toBe('http://192.168.1.1:2828/a/ctl');
  });

  it('is relative to the description where URLBase is empty, or no URL', () => {
    for (const URLBase of ['', 'http://[', { a: 'b' }, ['http://192.168.1.1:1', 'http://192.168.1.1:2']]) {
      expect(urlsOf('/ctl', { URLBase })).toEqual(['http://192.168.1.1:5000/ctl']);
    }
  });

  it('is nowhere when it has no URL, or one that is none', () => {
    for (const url of ['', 'http://[', 'http://']) expect(urlsOf(url)).withContext(url).toEqual([]);
  });
});

describe('The services in a description', () => {
  const service = (serviceType: string, serviceId: string) => ({ serviceType, serviceId, controlURL: `/${serviceId}` });

  it('come in the order of the types that are asked for, then as they stand there, two of one type as well', () => {
    const services = [service(PPP, 'c'), service(IP, 'a'), service('urn:x', 'z'), service(IP, 'b')];
    const found = servicesIn({}, services, LOCATION, [IP, PPP]);
    expect(found.map(({ type, id }) => `${type} ${id}`)).toEqual([`${IP} a`, `${IP} b`, `${PPP} c`]);
  });

  it('are those that are whole', () => {
    const pieces = ['text', 7, null, undefined, [], [service(IP, 'a')], {}, { serviceType: IP }, { controlURL: '/x' }];
    expect(servicesIn({}, pieces, LOCATION, [IP, PPP])).toEqual([]);
  });
});

describe('What a router calls itself', () => {
  const nameOf = (device: string) => routerNameIn(parseXml(`<root><device>${device}</device></root>`));
  const named = (name: string, model: string) =>
    nameOf(`<friendlyName>${name}</friendlyName><modelName>${model}</modelName>`);

  it('is its name, with its model where the name does not say it', () => {
    expect(named('Home', 'AC-7')).toBe('Home (AC-7)');
    expect(named('Acme AC-7', 'ac-7')).toBe('Acme AC-7');
    expect(named('', 'AC-7')).toBe('AC-7');
    expect(named('Home', '')).toBe('Home');
    expect(nameOf('<modelName>AC-7</modelName>')).toBe('AC-7');
  });

  it('is nothing where it says nothing', () => {
    expect(named('', ' ')).toBeUndefined();
    expect(nameOf('<friendlyName><b>x</b></friendlyName>')).toBeUndefined();
    expect(routerNameIn(parseXml('<root/>'))).toBeUndefined();
  });

  it('controls no terminal, and is short', () => {
    expect(named('a\u009b2J\u202eb', '')).toBe('a 2J b');
    expect(named('x'.repeat(10_000), 'y'.repeat(10_000))?.length).toBe(64 + 3 + 64);
  });
});
