import { brokerAt, expectBroker, parseBroker } from '../lib/broker-name.js';
import { InvalidOptionError, reasonOf } from '../lib/errors.js';
import { callWith, thrownBy } from './support/thrown.js';

describe('The name of a broker', () => {
  it('is a URL, of which one spelling is kept, and its credentials apart', () => {
    for (const [text, url, host, port] of [
      ['mqtts://broker.example', 'mqtts://broker.example', 'broker.example', 8883],
      ['MQTTS://Broker.Example:8883/', 'mqtts://broker.example', 'broker.example', 8883],
      ['mqtt://192.0.2.1:1884', 'mqtt://192.0.2.1:1884', '192.0.2.1', 1884],
      ['mqtt://[2001:DB8::0:1]', 'mqtt://[2001:db8::1]', '2001:db8::1', 1883],
      ['mqtts://[2001:db8::1]:1', 'mqtts://[2001:db8::1]:1', '2001:db8::1', 1],
      ['wss://broker.example', 'wss://broker.example/', 'broker.example', 443],
      ['wss://broker.example:8084/mqtt', 'wss://broker.example:8084/mqtt', 'broker.example', 8084],
      ['ws://localhost:80/a/b.c/', 'ws://localhost/a/b.c/', 'localhost', 80],
    ] as const) {
      expect(parseBroker('mqtt', text)).toEqual(jasmine.objectContaining({ url, host, port, credentials: undefined }));
      expect(brokerAt(url)?.url).toBe(url);
      expect(brokerAt(text) === undefined).toBe(text !== url);
    }
    const broker = parseBroker('mqtt', 'mqtts://m%40e:s%3Aecr%C3%A9t@broker.example:1');
    expect(broker.credentials).toEqual({ username: 'm@e', password: 's:ecrét' });
    expect(broker.url).toBe('mqtts://broker.example:1');
    expect(parseBroker('mqtt', 'mqtts://me@broker.example').credentials).toEqual({
      username: 'me',
      password: undefined,
    });
    expect(brokerAt('mqtts://me@broker.example')).toBeUndefined();
  });

  it('is refused when it is none, without a word of the password', () => {
    for (const text of [
      '',
      'broker.example:8883',
      'http://broker.example',
      'mqtts://',
      'mqtts://broker.example:0',
      'mqtts://broker.example:65536',
      'mqtts://broker.example/path',
      'mqtts://bro ker.example',
      'mqtt://[192.0.2.1]',
      'mqtt://[::1',
      'wss://broker.example/a/../b',
      'wss://broker.example//',
      'wss://broker.example/?query',
      'wss://broker.example/#hash',
      'mqtts://me:secret@',
      'mqtts://me:secret@broker.example/path',
      'mqtts://me:secret@part@broker.example',
      'mqtts://me:secret:part@broker.example',
      'mqtts://me:%ff@broker.example',
      `mqtts://${'a'.repeat(256)}`,
    ]) {
      expect(brokerAt(text)).withContext(text).toBeUndefined();
      const error = thrownBy(() => parseBroker('mqtt', text));
      expect(error).withContext(text).toBeInstanceOf(InvalidOptionError);
      expect(reasonOf(error)).not.toContain('secret');
    }
  });

  it('may stand beside a name and a password, which go before those in the URL', () => {
    const of = (value: unknown) => expectBroker('mqtt', value).credentials;
    const url = 'mqtts://me:old@broker.example';
    expect(of({ url })).toEqual({ username: 'me', password: 'old' });
    expect(of({ url, password: 'new' })).toEqual({ username: 'me', password: 'new' });
    expect(of({ url: 'mqtts://broker.example', username: 'a@b', password: ':/' })).toEqual({
      username: 'a@b',
      password: ':/',
    });
    expect(of('mqtts://broker.example')).toBeUndefined();
    for (const wrong of [
      undefined,
      7,
      {},
      { url: 7 },
      { url, user: 'me' },
      { url: 'mqtts://broker.example', password: 'secret' },
      { url, username: 7 },
      { url, password: ['secret'] },
      { url, password: 'secret\0' },
      { url, password: 'secret'.repeat(1_000) },
    ]) {
      const error = thrownBy(() => callWith(expectBroker, 'mqtt', wrong));
      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(reasonOf(error)).not.toContain('secret');
    }
  });
});
