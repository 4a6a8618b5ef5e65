import { missingPrerequisites } from './prerequisites.js';

describe('What the lab needs', () => {
  const path = process.env['PATH'] ?? '';

  afterEach(() => {
    process.env['PATH'] = path;
  });

  it('is told with the package that has it, when it is missing', () => {
    if (process.platform !== 'linux') pending('elsewhere nothing but Linux is missing');
    process.env['PATH'] = '/nowhere';
    expect(missingPrerequisites()).toContain('nft (Debian package nftables)');
    expect(missingPrerequisites()).toContain('miniupnpd (Debian package miniupnpd-nftables)');
  });
});
