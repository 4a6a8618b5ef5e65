import { CLOCK_TOLERANCE_MS } from '../../../lib/signed-request.js';
import { faultOf, type SignedConfig } from '../../../servers/http/signed.js';

describe('faultOf', () => {
  const request: SignedConfig = {
    headers: { host: 'RV.example.org:8080', authorization: 'signature' },
    at: 1_000_000,
    now: 1_000_000,
    hosts: new Set(['rv.example.org:8080']),
    isAuthorized: (host, authorization) => host === 'RV.example.org:8080' && authorization === 'signature',
  };

  it('finds nothing wrong with a request that is signed, in time, and for this server', () => {
    expect(faultOf(request)).toBeUndefined();
    expect(faultOf({ ...request, hosts: undefined })).toBeUndefined();
    expect(faultOf({ ...request, at: request.now - CLOCK_TOLERANCE_MS })).toBeUndefined();
    expect(faultOf({ ...request, at: request.now + CLOCK_TOLERANCE_MS })).toBeUndefined();
  });

  it('refuses one that was signed for another server, or by another key, or not at all', () => {
    expect(faultOf({ ...request, hosts: new Set(['other.example.org']) })?.[0]).toBe('signature');
    expect(faultOf({ ...request, isAuthorized: () => false })?.[0]).toBe('signature');
    expect(faultOf({ ...request, headers: { host: 'RV.example.org:8080' } })?.[0]).toBe('signature');
    expect(faultOf({ ...request, headers: {} })?.[0]).toBe('signature');
  });

  it('refuses one from another time, and says so only to whoever has signed it', () => {
    const late = { ...request, at: request.now + CLOCK_TOLERANCE_MS + 1 };
    expect(faultOf(late)?.[0]).toBe('clock');
    expect(faultOf({ ...late, isAuthorized: () => false })?.[0]).toBe('signature');
  });
});
