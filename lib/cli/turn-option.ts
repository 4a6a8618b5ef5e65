import type { TurnConfig } from '../config.js';
import { InvalidOptionError } from '../errors.js';

/** The password may have any characters but the last `@`. */
const WITH_USER = /^(?<scheme>turns?):(?<user>[^:@]*):(?<password>.*)@(?<server>[^@]*)$/i;

/**
 * Reads a TURN server from the command line: `turn:USER:PASSWORD@HOST:PORT`, or `turns:` by TLS. In the name and the password `%3A`
 * stands for a colon, and so on, as in URLs.
 *
 * @throws InvalidOptionError when it is none. The message does not repeat it: it has a password.
 */
export function readTurn(text: string): TurnConfig {
  const { scheme, user, password, server } = WITH_USER.exec(text)?.groups ?? {};
  try {
    if (scheme === undefined || user === undefined || password === undefined || server === undefined)
      throw new URIError('It has no user');
    return {
      url: `${scheme}:${server}`,
      username: decodeURIComponent(user),
      credential: decodeURIComponent(password),
    };
  } catch {
    throw new InvalidOptionError('Expected `--turn` to be turn:USER:PASSWORD@HOST:PORT, got something else');
  }
}
