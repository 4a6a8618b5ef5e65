import { failureOf, HttpError } from '../../../lib/errors.js';
import { adviceForServers, listed, troubleOf } from '../../../lib/net/check/troubles.js';
import type { ServerReport } from '../../../lib/server-report.js';

const failing = (server: string, failure: string | undefined): ServerReport => ({
  kind: 'rendezvous',
  server,
  failure,
});
const coded = (code: string) => failureOf(Object.assign(new Error(code), { code }), 'rendezvous server');

describe('What is wrong with servers', () => {
  it('is told by the words of their failures', () => {
    for (const code of ['ENOTFOUND', 'EAI_AGAIN'])
      expect(troubleOf(coded(code)))
        .withContext(code)
        .toBe('name');
    for (const code of ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID', 'HPE_INVALID_CONSTANT'])
      expect(troubleOf(coded(code)))
        .withContext(code)
        .toBe('impostor');
    expect(troubleOf(failureOf(new HttpError('http://rv gave an unreadable answer'), ''))).toBe('impostor');
    for (const code of ['ECONNREFUSED', 'EHOSTUNREACH']) expect(troubleOf(coded(code))).toBe('other');
  });

  it('is put into sentences: all at once, or each for itself', () => {
    const [portal, other] = [failing('a:1', coded('EPROTO')), failing('b:2', 'does not answer')];
    expect(adviceForServers([portal, other])).toEqual([
      jasmine.stringMatching(/^Something else answers in the place of the servers/),
    ]);
    expect(adviceForServers([portal, failing('c:3', undefined)])).toEqual([
      jasmine.stringMatching(/^What answers as a:1 is not that server/),
    ]);
    expect(adviceForServers([other, failing('d:4', coded('ENOTFOUND')), failing('e:5', coded('ENOTFOUND'))])).toEqual([
      jasmine.stringMatching(/^The name of d:4 and e:5 cannot be looked up/),
    ]);
    expect(adviceForServers([failing('c:3', undefined)])).toEqual([]);
    expect(listed(['a', 'b', 'c'])).toBe('a, b and c');
  });
});
