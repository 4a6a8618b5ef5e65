import { LimitedSites } from '../../../servers/admin/limited-sites.js';
import { networkOf } from '../../../servers/network.js';

describe('Sites that were refused something', () => {
  it('are remembered for a time at least, and for twice as long at most', () => {
    let now = 0;
    const sites = new LimitedSites(100, () => now);
    sites.add('192.0.2.1', 'relay', 'too-often');
    now = 99;
    sites.add('192.0.2.1', 'mailbox', 'too-often');
    sites.add('192.0.2.2', 'mailbox', 'malformed');
    now = 150;
    sites.add('192.0.2.1', 'mailbox', 'clock');
    expect(sites.most(10)).toEqual([
      { site: '192.0.2.1', server: 'mailbox', reason: 'clock', count: 3 },
      { site: '192.0.2.2', server: 'mailbox', reason: 'malformed', count: 1 },
    ]);
    expect(sites.most(1)).toHaveSize(1);
    now = 250;
    expect(sites.most(10)).toEqual([{ site: '192.0.2.1', server: 'mailbox', reason: 'clock', count: 1 }]);
    now = 1_000;
    expect(sites.most(10)).toEqual([]);
    // The clock is set back.
    sites.add('192.0.2.3', 'relay', 'clock');
    now = 0;
    expect(sites.most(10)).toEqual([]);
  });

  it('are bounded in number: the one that has been known for longest is forgotten', () => {
    const sites = new LimitedSites(100, () => 0);
    for (let count = 0; count < 100_000; count++) sites.add(String(count), 'relay', 'too-often');
    const all = sites.most(100_000).map(({ site }) => site);
    expect(all).toHaveSize(1_000);
    expect(all).toContain('99999');
    expect(all).not.toContain('0');
  });

  it('are shown as networks', () => {
    expect(networkOf('192.0.2.7')).toBe('192.0.2.0/24');
    expect(networkOf('192.0.2.7', true)).toBe('192.0.2.7');
    expect(networkOf('20010db80001')).toBe('2001:0db8:0001::/48');
    expect(networkOf('20010db80001', true)).toBe('2001:0db8:0001::/48');
    for (const other of ['unknown', '', '<script>a', 'zzzzzzzzzzzz', 'proxy 10.0.0.1 7']) {
      expect(networkOf(other)).withContext(other).toBe('unknown');
    }
  });
});
