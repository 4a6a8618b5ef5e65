import { filter, NEVER, of } from 'rxjs';
import type { ReplyOf, Talk } from '../../lib/rendezvous/dialect.js';
import { createIdentity } from '../../lib/identity.js';
import type { Reply, Request } from '../../lib/rendezvous/messages.js';
import { OUR_DIALECT } from '../../lib/rendezvous/our-dialect.js';
import { systemRuntime } from '../../lib/runtime.js';
import { formatUnl } from '../../lib/unl.js';
import { peerIdOf, unlOf, unlOfVersion2 } from '../support/locators.js';
import { record } from '../support/record.js';

/** A talk in which the server has said one thing. */
function talkIn(said: Reply, sent: Request[]): Talk {
  const reply$ = of(said);
  return {
    server: { host: 'rv.example.org', port: 8000 },
    remote: { address: '192.0.2.1', port: 8000 },
    identity: createIdentity(),
    runtime: { ...systemRuntime, newId: () => 'id' },
    line$: NEVER,
    say: () => undefined,
    reply$,
    only$: (verb) => reply$.pipe(filter((reply): reply is ReplyOf<typeof verb> => reply.verb === verb)),
    send: (request) => sent.push(request),
  };
}

describe('our way with rendezvous servers', () => {
  it('lists only nodes with a key, whatever a server lists', () => {
    const unl = unlOf({ peerId: peerIdOf(2) });
    const texts = ['AAAA', formatUnl(unl), formatUnl(unlOfVersion2())];
    const listed = {
      verb: 'LISTED',
      id: 'id',
      nodes: texts.map((text) => ({ unl: text, seenAt: ['198.51.100.7'] })),
    } as const;
    const sent: Request[] = [];
    expect(record(OUR_DIALECT.nodes$(talkIn(listed, sent), 3)).values).toEqual([[{ unl, seenAt: ['198.51.100.7'] }]]);
  });

  it('takes PyP2P’s replies for none', () => {
    expect(OUR_DIALECT.isReply('NODES EMPTY')).toBeFalse();
    const { seenIn } = OUR_DIALECT.look(41_000);
    expect(seenIn('REMOTE TCP 41000')).toBeUndefined();
    expect(() => seenIn(`NONCE ${'A'.repeat(43)} 192.0.2.1`)).toThrowError(/proxy before the server/);
    expect(() => seenIn(`NONCE ${'A'.repeat(43)}`)).toThrowError(/proxy before the server/);
    expect(seenIn(`NONCE ${'A'.repeat(43)} 192.0.2.1:5000`)).toEqual({ address: '192.0.2.1', port: 5000 });
  });
});
