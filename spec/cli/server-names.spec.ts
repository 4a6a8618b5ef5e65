import { exposedWarning, isPublic, nameByKey, plainWarning } from '../../lib/cli/server-names.js';
import { createIdentity } from '../../lib/identity.js';
import type { Interfaces } from '../../lib/link/interfaces.js';

const key = createIdentity().peerId;
const at = (address: string) => ({ address, port: 8_000 });

const interfacesWith = (...addresses: readonly string[]): Interfaces => ({
  eth0: addresses.map((address) => ({
    address,
    family: address.includes(':') ? ('IPv6' as const) : ('IPv4' as const),
    netmask: '',
    mac: '',
    internal: false,
    cidr: null,
    scopeid: 0,
  })),
});

describe('The name that a server prints', () => {
  it('has its key, and the name that it was told, with the port of the rendezvous server', () => {
    const hosts = ['rv.example.org:8080', 'other.example.org'];
    expect(nameByKey({ local: at('::'), key, hosts })).toBe(`rxp2p://${key}@rv.example.org:8000`);
    expect(nameByKey({ local: at('::'), key, hosts: ['[2001:db8::1]:8080'] })).toBe(
      `rxp2p://${key}@[2001:db8::1]:8000`,
    );
    expect(nameByKey({ local: at('::'), key: undefined, hosts })).toBeUndefined();
  });

  it('has its address where it was told no name: a public one if there is one', () => {
    const name = (address: string, ...own: readonly string[]) =>
      nameByKey({ local: at(address), key, hosts: [], interfaces: interfacesWith(...own) })?.split('@')[1];
    expect(name('127.0.0.1', '45.1.1.1')).toBe('127.0.0.1:8000');
    expect(name('::', '127.0.0.1', '192.168.1.7', '45.1.1.1')).toBe('45.1.1.1:8000');
    expect(name('0.0.0.0', '127.0.0.1', '192.168.1.7')).toBe('192.168.1.7:8000');
    expect(name('::', '2a00::1', '45.1.1.1')).toBe('45.1.1.1:8000');
    expect(name('::')).toBe('[::]:8000');
  });

  it('is told beside a warning where others on the internet can reach it in the clear', () => {
    const reachable = (address: string, ...own: readonly string[]) =>
      isPublic({ local: at(address), interfaces: interfacesWith(...own) });
    expect(reachable('45.1.1.1')).toBe(true);
    expect(reachable('::', '192.168.1.7', '2a00::1')).toBe(true);
    expect(reachable('::', '192.168.1.7')).toBe(false);
    expect(reachable('127.0.0.1', '45.1.1.1')).toBe(false);
    const warning = (name: string | undefined, isHttps: boolean) =>
      plainWarning({ local: at('45.1.1.1'), name, isHttps });
    expect(warning(undefined, false)).toMatch(/^45\.1\.1\.1:8000 .*in the clear.*--key FILE/);
    expect(warning(undefined, true)).toMatch(/name it wss:\/\/HOST, as in its certificate$/);
    expect(warning('rxp2p://K@h:1', true)).toMatch(/name it rxp2p:\/\/K@h:1$/);
    expect(exposedWarning({ local: at('2a00::1') })).toMatch(/^the admin port \[2a00::1\]:8000 .*no password$/);
  });
});
