import { InvalidOptionError } from '../../lib/errors.js';
import { readTurn } from '../../lib/cli/turn-option.js';
import { formatTurn, parseTurn } from '../../lib/stun/turn-name.js';

describe('the name of a TURN server', () => {
  it('is a URI of RFC 7065, by TCP', () => {
    for (const [text, server] of [
      ['turn:turn.example.org', { host: 'turn.example.org', port: 3478 }],
      ['turn:192.0.2.1:80?transport=tcp', { host: '192.0.2.1', port: 80 }],
      ['turns:turn.example.org', { host: 'turn.example.org', port: 5349, isSecure: true }],
      ['turns:[2001:DB8::1]:443', { host: '2001:db8::1', port: 443, isSecure: true }],
    ] as const) {
      expect(parseTurn('turn', text)).withContext(text).toEqual(server);
      expect(parseTurn('turn', formatTurn(server))).toEqual(server);
    }
  });

  it('is none by UDP, nor with a password, which no message repeats', () => {
    for (const text of ['turn:a?transport=udp', 'turn:user:secret@a:1', 'turn://a', 'a:1', '', 'stun:a'])
      expect(() => parseTurn('turn', text))
        .withContext(text)
        .toThrowMatching((error) => error instanceof InvalidOptionError && !error.message.includes('secret'));
  });
});

describe('a TURN server on the command line', () => {
  it('has a name and a password', () => {
    expect(readTurn('turn:alice:secret@turn.example.org:3478')).toEqual({
      url: 'turn:turn.example.org:3478',
      username: 'alice',
      credential: 'secret',
    });
    // As servers make names that hold for a time.
    expect(readTurn('turns:1700000000%3Aalice:p%40ss:@w@turn.example.org')).toEqual({
      url: 'turns:turn.example.org',
      username: '1700000000:alice',
      credential: 'p@ss:@w',
    });
  });

  it('is refused without one, and no message repeats it', () => {
    for (const text of ['turn:turn.example.org:3478', 'turn:alice@turn.example.org', 'turn:alice:%E0secret@a:1'])
      expect(() => readTurn(text))
        .withContext(text)
        .toThrowMatching((error) => error instanceof InvalidOptionError && !error.message.includes('secret'));
  });
});
