import { invalidOption, readUrl } from '../lib/validate.js';

/**
 * The Host headers that clients send for these names: without the scheme's default port (RFC 9110 §7.2).
 *
 * @throws InvalidOptionError when one is no HOST:PORT, or there is none.
 */
export function hostNames(hosts: readonly string[]): ReadonlySet<string> {
  const names = hosts.flatMap((text) => {
    const name = text.toLowerCase();
    const short = name.replace(/:(?:80|443)$/, '');
    if (readUrl(`http://${short}`)?.host !== short) {
      throw invalidOption('hosts', 'HOST:PORT each, as in the URLs of clients, such as rv.example.org:8080', text);
    }
    return [name, short];
  });
  if (names.length === 0)
    throw invalidOption('hosts', 'at least one name: without a name every request would be refused', hosts);
  return new Set(names);
}
