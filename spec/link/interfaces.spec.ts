import type { NetworkInterfaceInfo } from 'node:os';
import { addressGone$, isOurs } from '../../lib/link/interfaces.js';
import { marbles } from '../support/marbles.js';

const common = { mac: '00:00:00:00:00:00', internal: false };
const entry = (address: string): NetworkInterfaceInfo =>
  address.includes(':')
    ? { ...common, address, netmask: 'ffff:ffff:ffff:ffff::', family: 'IPv6', cidr: `${address}/64`, scopeid: 0 }
    : { ...common, address, netmask: '255.255.255.0', family: 'IPv4', cidr: `${address}/24` };

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
    marbles(({ expectObservable, scheduler }) => {
      // Of TEST-NET-1, which is nobody's.
      expectObservable(addressGone$('192.0.2.1', 5, scheduler)).toBe('5ms (g|)', { g: false });
    });
  });

  it('that stays is looked at again and again, until nobody wants to know', () => {
    marbles(({ expectObservable, scheduler }) => {
      expectObservable(addressGone$('127.0.0.1', 5, scheduler), '^ 50ms !').toBe('-');
    });
  });
});
