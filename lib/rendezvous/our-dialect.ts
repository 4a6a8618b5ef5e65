import { defer, filter, map, switchMap, take, type Observable } from 'rxjs';
import { formatServer } from '../endpoint.js';
import { keepAlive$ } from '../link/keep-alive.js';
import { formatUnl } from '../unl.js';
import { ask$ } from './ask.js';
import type { Dialect, Talk, Welcome } from './dialect.js';
import { errorOf, unseenError } from './errors.js';
import { listedIn } from './listed.js';
import { formatRequest, parseReply, proofOf, RENDEZVOUS_VERSION } from './messages.js';
import { topicsIn } from './topics.js';
import { parsePairingReply } from './pairing-messages.js';

/** The dialect of nodes that prove their keys: the protocol of `messages.ts` and `pairing-messages.ts`, and nothing else. */
export const OUR_DIALECT: Dialect = {
  isReply: (line) => parsePairingReply(line) !== undefined,
  begin$: prove$,
  keepAlive$: ({ server, line$, send, runtime: { scheduler } }) =>
    keepAlive$(
      line$,
      () => {
        send({ verb: 'PING' });
      },
      (words) => errorOf(server, words),
      scheduler,
    ),
  advertise: ({ send }, own) => {
    send({ verb: 'ADVERTISE', unl: formatUnl(own) });
  },
  nodes$: ({ only$, send, runtime }, count) =>
    defer(() => {
      const id = runtime.newId();
      const answer$ = only$('LISTED').pipe(
        filter((answer) => answer.id === id),
        take(1),
        map(listedIn),
      );
      return ask$(answer$, () => {
        send({ verb: 'UNLS', id, count });
      });
    }),
  topics: topicsIn,
  look: () => ({
    question: [formatRequest({ verb: 'HELLO', version: RENDEZVOUS_VERSION })],
    seenIn: (line) => {
      const reply = parseReply(line);
      if (reply?.verb !== 'NONCE') return undefined;
      const { address, port } = reply.observed ?? {};
      if (address === undefined || port === undefined) throw unseenError();
      return { address, port };
    },
  }),
};

/** Says who we are and proves it. Emits what the server tells of us and of itself. */
function prove$({ server, remote, identity, runtime, only$, send }: Talk): Observable<Welcome> {
  return defer(() => {
    const start = runtime.scheduler.now();
    send({ verb: 'HELLO', version: RENDEZVOUS_VERSION });
    return only$('NONCE').pipe(
      take(1),
      switchMap(({ nonce, observed }) => {
        const roundTripMs = runtime.scheduler.now() - start;
        const { peerId } = identity;
        const dialled = { server: server.key ?? formatServer(server).toLowerCase(), at: remote };
        send({ verb: 'PROVE', peerId, ...dialled, signature: identity.sign(proofOf(nonce, peerId, dialled)) });
        return only$('WELCOME').pipe(
          take(1),
          map(({ httpPort, serverId }) => ({ observed, httpPort, serverId, nonce, roundTripMs })),
        );
      }),
    );
  });
}
