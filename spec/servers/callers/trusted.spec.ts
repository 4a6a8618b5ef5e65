import { InvalidOptionError } from '../../../lib/errors.js';
import { trustedProxies } from '../../../servers/callers/trusted.js';
import { thrownBy } from '../../support/thrown.js';

describe('trusted proxies', () => {
  it('are the addresses in any of the networks, of their family', () => {
    const isTrusted = trustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1']);
    const trusted = ['10.0.0.1', '10.255.255.255', '192.0.2.7', '2001:db8:1::7', '::1'];
    const others = ['11.0.0.1', '192.0.2.8', '2001:db9::1', '::2', '0.0.0.1'];
    expect([trusted.every(isTrusted), others.some(isTrusted)]).toEqual([true, false]);
  });

  it('are none by default', () => {
    expect(['127.0.0.1', '::1', '10.0.0.1'].some(trustedProxies([]))).toBe(false);
  });

  it('may be everybody', () => {
    expect(['127.0.0.1', '8.8.8.8'].every(trustedProxies(['0.0.0.0/0']))).toBe(true);
  });

  it('cannot be what is neither an address nor a network', () => {
    const wrong = [
      '',
      'nginx',
      '10.0.0.0/33',
      '10.0.0.0/-1',
      '10.0.0.0/',
      '10.0.0.0/8/8',
      '10/8',
      '::/129',
      '::ffff:10.0.0.0/8',
    ];
    for (const text of wrong) {
      expect(thrownBy(() => trustedProxies([text]))).toBeInstanceOf(InvalidOptionError);
    }
  });
});
