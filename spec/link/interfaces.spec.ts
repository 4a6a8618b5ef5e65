import { readdirSync, readFileSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addressGone$, interfaceReader, isOurs, mostReachable, ownAddresses } from '../../lib/link/interfaces.js';
import { marbles } from '../support/marbles.js';

const common = { mac: '00:00:00:00:00:00', internal: false };
const entry = (address: string): NetworkInterfaceInfo =>
  address.includes(':')
    ? { ...common, address, netmask: 'ffff:ffff:ffff:ffff::', family: 'IPv6', cidr: `${address}/64`, scopeid: 0 }
    : { ...common, address, netmask: '255.255.255.0', family: 'IPv4', cidr: `${address}/24` };

/** The specs run from dist/spec/link. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

describe("this machine's interfaces", () => {
  const forbidden = new Error('uv_interface_addresses returned EACCES');

  it('are what the system tells', () => {
    const interfaces = { eth0: [entry('192.168.1.7')] };
    expect(interfaceReader(() => interfaces)()).toEqual({ interfaces, failure: undefined });
  });

  it('are what the system told last while it tells nothing, and it is said why', () => {
    const answers = [{ eth0: [entry('192.168.1.7')] }, undefined, {}];
    let now = 0;
    const read = interfaceReader(
      () => {
        const answer = answers.shift();
        if (answer === undefined) throw forbidden;
        return answer;
      },
      () => (now += 1_000),
    );
    const { interfaces } = read();
    expect(read()).toEqual({ interfaces, failure: forbidden.message });
    expect(read()).toEqual({ interfaces: {}, failure: undefined });
  });

  it('are asked for once where many nodes of a process look at them', () => {
    let [now, asked] = [0, 0];
    const read = interfaceReader(
      () => {
        asked++;
        return {};
      },
      () => now,
    );
    const first = read();
    now += 99;
    expect(read()).toBe(first);
    expect(asked).toBe(1);
    now += 1;
    read();
    expect(asked).toBe(2);
  });

  it('are not known where the system has never told, and then no address is taken for gone', () => {
    const read = interfaceReader(() => {
      throw forbidden;
    });
    expect(read()).toEqual({ interfaces: undefined, failure: forbidden.message });
    expect(read().interfaces).toBeUndefined();
  });

  it('have addresses, IPv4 first, and one by which most others reach this machine', () => {
    const interfaces = {
      lo: [entry('127.0.0.1'), entry('::1')],
      eth0: [entry('fe80::1'), entry('10.0.0.7')],
      eth1: [entry('2a01:4f8::7'), entry('93.184.216.34')],
    };
    const all = ownAddresses(interfaces) ?? [];
    expect(all).toEqual(['127.0.0.1', '10.0.0.7', '93.184.216.34', '::1', 'fe80::1', '2a01:4f8::7']);
    expect(mostReachable(all)).toBe('93.184.216.34');
    expect(mostReachable(['127.0.0.1', '10.0.0.7'])).toBe('10.0.0.7');
    expect(mostReachable(['::1', '2a01:4f8::7'])).toBe('2a01:4f8::7');
    expect(mostReachable(['127.0.0.1'])).toBe('127.0.0.1');
    expect(mostReachable([])).toBeUndefined();
    expect(ownAddresses({})).toEqual([]);
  });

  it('are asked for in one place alone, since the system may throw', () => {
    const files = ['lib', 'servers'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    );
    const asking = files
      .filter((name) => name.endsWith('.ts'))
      .filter((name) => /import [^;]*\bnetworkInterfaces\b/.test(readFileSync(join(ROOT, name), 'utf8')));
    expect(asking).toEqual(['lib/link/interfaces.ts']);
  });
});

describe('an address of this machine', () => {
  const interfaces = {
    eth0: [entry('192.168.1.7'), entry('2001:DB8:0:0::7')],
    wlan0: [entry('10.0.0.7')],
    down: undefined,
  };

  it('is one when any interface that is up has it, however it is written', () => {
    for (const address of ['192.168.1.7', '10.0.0.7', '2001:db8::7']) {
      expect(isOurs(address, interfaces)).withContext(address).toBeTrue();
    }
  });

  it('is not when none has it any more', () => {
    for (const address of ['192.168.1.8', '2001:db8::8']) {
      expect(isOurs(address, interfaces)).withContext(address).toBeFalse();
      expect(isOurs(address, {})).withContext(address).toBeFalse();
    }
  });

  it('of loopback, or none in particular, always is', () => {
    for (const address of ['127.0.0.1', '127.1.2.3', '::1', '0.0.0.0', '::']) {
      expect(isOurs(address, {})).withContext(address).toBeTrue();
    }
  });

  it('that has gone is told once, at the next look', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const looks = { there: { interfaces }, gone: { interfaces: {} } };
      const look$ = cold('--t--g--g', { t: looks.there, g: looks.gone });
      expectObservable(addressGone$('192.168.1.7', look$)).toBe('--- --(g|)', { g: looks.gone });
      expectSubscriptions(look$.subscriptions).toBe('^ --- -!');
    });
  });

  it('that stays is looked at again and again, until nobody wants to know', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const look$ = cold('--l--l--l--l', { l: { interfaces } });
      expectObservable(addressGone$('192.168.1.7', look$), '^ -----!').toBe('-');
      expectSubscriptions(look$.subscriptions).toBe('^ -----!');
    });
  });
});
