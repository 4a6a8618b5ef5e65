import { defer, filter, map, take, type Observable } from 'rxjs';
import { formatUnl } from '../unl.js';
import { ask$ } from './ask.js';
import type { ReplyOf, Talk, TopicAnswer, Topics } from './dialect.js';
import { listedIn } from './listed.js';

/**
 * Talks with a server of topics. A server ignores a verb that it does not know; so the first question has another behind it that every server
 * answers. If that answer comes first, the server is older than topics.
 */
export function topicsIn({ reply$, runtime, send }: Talk): Topics {
  let isKnown = false;
  return {
    join$: (topic, own, count): Observable<TopicAnswer> =>
      defer(() => {
        const id = runtime.newId();
        const behind = isKnown ? undefined : runtime.newId();
        const read = (reply: ReplyOf<'LISTED' | 'REFUSED'>): TopicAnswer | undefined => {
          // Refusals that end the session fail it. They do not say which request they are of: joining again soon does no harm.
          if (reply.verb === 'REFUSED') return { type: 'refused', code: reply.code };
          if (reply.id === behind) return { type: 'unknown' };
          if (reply.id !== id) return undefined;
          isKnown = true;
          return { type: 'members', members: listedIn(reply) };
        };
        const answer$ = reply$.pipe(
          map((reply) => (reply.verb === 'LISTED' || reply.verb === 'REFUSED' ? read(reply) : undefined)),
          filter((answer) => answer !== undefined),
          take(1),
        );
        return ask$(answer$, () => {
          send({ verb: 'JOIN', id, topic, count, unl: formatUnl(own) });
          if (behind !== undefined) send({ verb: 'UNLS', id: behind, count: 1 });
        });
      }),
    leave: (topic) => {
      send({ verb: 'LEAVE', topic });
    },
  };
}
