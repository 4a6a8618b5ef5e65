import { InvalidOptionError } from '../lib/errors.js';
import { createIdentity } from '../lib/identity.js';
import { formatRendezvous, parseRendezvous, servicesOf } from '../lib/rendezvous-name.js';
import { thrownBy } from './support/thrown.js';

const { peerId: KEY } = createIdentity();
const read = (text: string) => parseRendezvous('rendezvous', text);

describe('The name of a rendezvous server', () => {
  it('says how it is spoken to', () => {
    expect(read('rv.example.org:8000')).toEqual({ host: 'rv.example.org', port: 8000 });
    expect(read(`rxp2p://${KEY}@[2001:db8::1]:8000`)).toEqual({ host: '2001:db8::1', port: 8000, key: KEY });
    expect(read('wss://RV.example.org')).toEqual({ host: 'rv.example.org', port: 443, url: 'wss://rv.example.org/' });
    expect(read('wss://rv.example.org:8443/p2p')).toEqual({
      host: 'rv.example.org',
      port: 8443,
      url: 'wss://rv.example.org:8443/p2p/',
    });
    expect(read('ws://[::1]:8080/')).toEqual({ host: '::1', port: 8080, url: 'ws://[::1]:8080/' });
    expect(read('ws://localhost').port).toBe(80);
  });

  it('is written as it is read', () => {
    for (const text of [
      'rv.example.org:8000',
      `rxp2p://${KEY}@127.0.0.1:8000`,
      'wss://rv.example.org',
      'wss://a:1/b/c',
    ]) {
      expect(formatRendezvous(read(text))).toBe(text);
    }
  });

  it('tells where its HTTP services are, where it is a URL', () => {
    expect(servicesOf(read('wss://rv.example.org/p2p'))?.href).toBe('https://rv.example.org/p2p/');
    expect(servicesOf(read('ws://127.0.0.1:8080'))?.href).toBe('http://127.0.0.1:8080/');
    expect(servicesOf(read('rv.example.org:8000'))).toBeUndefined();
  });

  it('is refused where it is none, or has a secret in it', () => {
    const wrong = [
      '',
      'rv.example.org',
      'https://rv.example.org',
      'wss://',
      'wss:rv.example.org:70000',
      'wss://me:secret@rv.example.org',
      'wss://rv.example.org/?a=b',
      'wss://rv.example.org/#a',
      'rxp2p://rv.example.org:8000',
      `rxp2p://${KEY}@rv.example.org`,
      `rxp2p://${KEY.slice(1)}@rv.example.org:8000`,
      `rxp2p://${KEY}@`,
      `rxp2p://${'A'.repeat(43)}@rv.example.org:8000`,
    ];
    for (const text of wrong)
      expect(thrownBy(() => read(text)))
        .withContext(text)
        .toBeInstanceOf(InvalidOptionError);
  });
});
