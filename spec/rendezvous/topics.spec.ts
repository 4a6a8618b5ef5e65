import { filter, NEVER, Subject } from 'rxjs';
import { createIdentity } from '../../lib/identity.js';
import type { ReplyOf, Talk, TopicAnswer } from '../../lib/rendezvous/dialect.js';
import { formatRequest, type Reply } from '../../lib/rendezvous/messages.js';
import { topicsIn } from '../../lib/rendezvous/topics.js';
import { systemRuntime } from '../../lib/runtime.js';
import { formatUnl } from '../../lib/unl.js';
import { peerIdOf, unlOf, unlOfVersion2 } from '../support/locators.js';
import { record } from '../support/record.js';

const TOPIC = 'T'.repeat(43);

describe('topics at a rendezvous server', () => {
  const own = unlOf({ peerId: peerIdOf(1) });
  const other = unlOf({ peerId: peerIdOf(2) });

  function talking() {
    const reply$ = new Subject<Reply>();
    const sent: string[] = [];
    let ids = 0;
    const talk: Talk = {
      server: { host: 'rv.example.org', port: 8000 },
      remote: { address: '192.0.2.1', port: 8000 },
      identity: createIdentity(),
      runtime: { ...systemRuntime, newId: () => `id${ids++}` },
      line$: NEVER,
      say: () => undefined,
      reply$,
      only$: (verb) => reply$.pipe(filter((reply): reply is ReplyOf<typeof verb> => reply.verb === verb)),
      send: (request) => sent.push(formatRequest(request)),
    };
    const topics = topicsIn(talk);
    return { reply$, sent, topics, join: () => record<TopicAnswer>(topics.join$(TOPIC, own, 16)) };
  }

  const listed = (id: string, ...unls: readonly string[]): Reply => ({
    verb: 'LISTED',
    id,
    nodes: unls.map((unl) => ({ unl, seenAt: ['198.51.100.7'] })),
  });

  it('are joined with a question behind that every server answers, until the server is known to have them', () => {
    const { reply$, sent, join } = talking();
    const first = join();
    expect(sent.splice(0)).toEqual([`JOIN id0 ${TOPIC} 16 ${formatUnl(own)}`, 'UNLS id1 1']);
    reply$.next(listed('another', formatUnl(other)));
    expect(first.values).toEqual([]);
    reply$.next(listed('id0', formatUnl(other), 'AAAA', formatUnl(unlOfVersion2())));
    expect(first.values).toEqual([{ type: 'members', members: [{ unl: other, seenAt: ['198.51.100.7'] }] }]);
    expect(first.isCompleted).toBeTrue();
    reply$.next(listed('id1'));
    const second = join();
    expect(sent).toEqual([`JOIN id2 ${TOPIC} 16 ${formatUnl(own)}`]);
    reply$.next(listed('id2'));
    expect(second.values).toEqual([{ type: 'members', members: [] }]);
  });

  it('are none of a server that answers only the question behind', () => {
    const { reply$, join } = talking();
    const answer = join();
    reply$.next({ verb: 'PONG' });
    reply$.next(listed('id1', formatUnl(other)));
    expect(answer.values).toEqual([{ type: 'unknown' }]);
    expect(answer.isCompleted).toBeTrue();
  });

  it('may be refused for now', () => {
    const { reply$, join } = talking();
    const answer = join();
    reply$.next({ verb: 'REFUSED', code: 'too-often', words: '' });
    expect(answer.values).toEqual([{ type: 'refused', code: 'too-often' }]);
  });

  it('fail with the session, and are left by a line', () => {
    const { reply$, sent, topics, join } = talking();
    topics.leave(TOPIC);
    expect(sent).toEqual([`LEAVE ${TOPIC}`]);
    const answer = join();
    reply$.error(new Error('gone'));
    expect(answer.error).toEqual(new Error('gone'));
  });
});
