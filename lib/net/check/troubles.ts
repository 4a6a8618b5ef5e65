import type { ServerReport } from '../../server-report.js';

/** What is likely wrong with a server. `name`: its name cannot be looked up. `impostor`: something else answers in its place. */
type Trouble = 'name' | 'impostor' | 'other';

/** Of resolvers. */
const NAME = /\b(?:ENOTFOUND|EAI_[A-Z]+|ENODATA|ESERVFAIL)\b/;

/** Of what is no server of ours, and of certificates that prove another name or that nobody vouches for. */
const IMPOSTOR =
  /answers, but is no |another protocol|unreadable|malformed|redirect|HTTP status [23]|certificate|\b(?:[A-Z_]*CERT[A-Z_]*|UNABLE_TO_VERIFY_LEAF_SIGNATURE|ERR_SSL_[A-Z_]+|EPROTO)\b/;

/** What a failure is a sign of, by the words that tell it. Pure. */
export function troubleOf(failure: string): Trouble {
  if (NAME.test(failure)) return 'name';
  return IMPOSTOR.test(failure) ? 'impostor' : 'other';
}

/** Sentences about servers that cannot be used, the most telling first. Pure. */
export function adviceForServers(services: readonly ServerReport[]): readonly string[] {
  const failing = services.flatMap(({ kind, server, failure }) =>
    failure === undefined ? [] : [{ kind, server, trouble: troubleOf(failure) }],
  );
  const namesOf = (trouble: Trouble) =>
    listed([...new Set(failing.filter((each) => each.trouble === trouble).map(({ server }) => server))]);
  const [impostors, unknown] = [namesOf('impostor'), namesOf('name')];
  const advice: string[] = [];
  if (impostors !== '')
    advice.push(
      failing.length === services.length
        ? 'Something else answers in the place of the servers. Most often it is the page of a Wi-Fi where guests log in: open any web page in a browser, and log in. Else the names lead elsewhere (DNS), or a company’s proxy stands between.'
        : `What answers as ${impostors} is not that server: is the name right, does it lead there (DNS), and is the certificate valid?`,
    );
  if (unknown !== '')
    advice.push(`The name of ${unknown} cannot be looked up: is it right, and does this machine’s DNS work?`);
  return advice;
}

/** Names as in a sentence. */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
}
