import { InvalidOptionError } from '../../../lib/errors.js';
import { parseEndpoint, type Endpoint } from '../../../lib/endpoint.js';
import { isIntended, namesOf } from '../../../servers/lines/intended-server.js';
import { thrownBy } from '../../support/thrown.js';

const NONE = new Set<string>();

const endpoint = (text: string): Endpoint => parseEndpoint(text) ?? { address: 'none', port: 0 };

/** Whether a server with such a socket takes itself to be meant. */
function isTaken(
  server: string,
  at: string,
  local: string,
  remote: string,
  names: ReadonlySet<string> = NONE,
): boolean {
  return isIntended({ server, at: endpoint(at) }, { local: endpoint(local), address: endpoint(remote).address }, names);
}

describe('a rendezvous server is the intended server of a proof', () => {
  const names = namesOf(['RV.example.org:8080'])(8000);

  it('by its names, each with its own port, too, wherever they have led', () => {
    const meant = (server: string) => isTaken(server, '198.51.100.7:8000', '10.0.0.2:8000', '192.0.2.9:4000', names);
    expect([meant('rv.example.org:8000'), meant('rv.example.org:8080')]).toEqual([true, true]);
    expect([meant('rv.example.org:9000'), meant('evil.example.org:8000'), meant('198.51.100.7:8000')]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('by the IPv4 address of its socket, which a client behind a NAT64 dials as an IPv6 address', () => {
    const at = '[64:ff9b::c633:6407]:8000';
    expect(isTaken('any.example.org:8000', at, '198.51.100.7:8000', '192.0.2.9:4000')).toBeTrue();
    expect(isTaken('any.example.org:8000', at, '198.51.100.8:8000', '192.0.2.9:4000')).toBeFalse();
    expect(isTaken('any.example.org:8000', at, '10.0.0.2:8000', '192.0.2.9:4000')).toBeFalse();
    expect(
      isTaken('any.example.org:8000', '[2001:db8::c633:6407]:8000', '198.51.100.7:8000', '192.0.2.9:4000'),
    ).toBeFalse();
  });

  it('by the address of its socket, whatever name has led there, with and without names', () => {
    const at = '198.51.100.7:8000';
    expect(isTaken('any.example.org:8000', at, at, '192.0.2.9:4000')).toBeTrue();
    expect(isTaken('any.example.org:8000', at, at, '192.0.2.9:4000', names)).toBeTrue();
    expect(isTaken(at, '192.0.2.1:3128', at, '192.0.2.9:4000'))
      .withContext('by way of a proxy')
      .toBeTrue();
    expect(isTaken('[2001:db8::1]:8000', '[2001:db8::1]:8000', '[2001:db8::1]:8000', '[2001:db8::2]:1')).toBeTrue();
    expect(isTaken('any.example.org:8000', '198.51.100.7:8001', at, '192.0.2.9:4000')).toBeFalse();
    expect(isTaken('any.example.org:8000', '198.51.100.8:8000', at, '192.0.2.9:4000')).toBeFalse();
  });

  it('by a private or loopback address only for who comes from such a one, since many machines have it', () => {
    for (const [local, near] of [
      ['10.0.0.2:8000', '10.0.0.9:4000'],
      ['127.0.0.1:8000', '127.0.0.1:4000'],
    ] as const) {
      expect(isTaken('localhost:8000', local, local, near)).toBeTrue();
      expect(isTaken('localhost:8000', local, local, '192.0.2.9:4000')).toBeFalse();
    }
  });

  it('by names that are HOST:PORT, and by none that are not', () => {
    expect([...namesOf(['[2001:db8::1]:8080'])(8000)]).toContain('[2001:db8::1]:8000');
    expect(thrownBy(() => namesOf(['rv example']))).toBeInstanceOf(InvalidOptionError);
  });
});
