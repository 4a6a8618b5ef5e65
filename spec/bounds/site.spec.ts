import { siteOf } from '../../lib/bounds/site.js';

describe('The site that an address is counted by', () => {
  it('is the address itself for IPv4', () => {
    expect(siteOf('192.0.2.1')).toBe(siteOf('192.0.2.1'));
    expect(siteOf('192.0.2.1')).not.toBe(siteOf('192.0.2.2'));
  });

  it('is the /48 for IPv6, which one customer may be given whole', () => {
    expect(siteOf('2001:db8:1:2::1')).toBe(siteOf('2001:db8:1:ffff::9'));
    expect(siteOf('2001:db8:1:2::1')).not.toBe(siteOf('2001:db8:2:2::1'));
  });

  it('is one and the same for all addresses that nobody has seen', () => {
    expect(siteOf(undefined)).toBe(siteOf(undefined));
    expect(siteOf(undefined)).not.toBe(siteOf('0.0.0.0'));
  });
});
