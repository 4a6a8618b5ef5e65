import { defer, filter, map, startWith, switchMap, take, takeUntil, timer, type Observable } from 'rxjs';
import { formatServer } from '../endpoint.js';
import { formatUnl, parseUnl } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';
import { ask$ } from './ask.js';
import type { Dialect, Talk, Welcome } from './dialect.js';
import { errorOf, unseenError } from './errors.js';
import { formatRequest, parseReply, proofOf, RENDEZVOUS_VERSION } from './messages.js';

/** A server that has not said anything for this long gets a PING; NATs are known to forget a quiet mapping in 60 s. */
const PING_MS = 20_000;

/** A server that has not answered a PING for this long is gone: far more than any round trip. */
const PONG_MS = 10_000;

/** The dialect of nodes that prove their keys: the protocol of `messages.ts`, and nothing else. */
export const OUR_DIALECT: Dialect = {
  isReply: () => false,
  begin$: prove$,
  keepAlive$,
  advertise: ({ send }, own) => {
    send({ verb: 'ADVERTISE', unl: formatUnl(own) });
  },
  nodes$: ({ only$, send, runtime }, count) =>
    defer(() => {
      const id = runtime.newId();
      const answer$ = only$('LISTED').pipe(
        filter((answer) => answer.id === id),
        take(1),
        map(({ nodes }) => nodes.flatMap(({ unl, seenAt }) => readUnl(unl).map((read) => ({ unl: read, seenAt })))),
      );
      return ask$(answer$, () => {
        send({ verb: 'UNLS', id, count });
      });
    }),
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
          map(({ httpPort, serverId }) => ({ observed, httpPort, serverId, roundTripMs })),
        );
      }),
    );
  });
}

/** Asks a silent server for a sign of life, and fails when it gives none. */
function keepAlive$({ server, runtime: { scheduler }, line$, send }: Talk): Observable<never> {
  return line$.pipe(
    startWith(undefined),
    switchMap(() => timer(PING_MS, scheduler)),
    switchMap(() => {
      send({ verb: 'PING' });
      return timer(PONG_MS, scheduler).pipe(takeUntil(line$));
    }),
    map(() => {
      throw errorOf(server, `has said nothing for ${PING_MS + PONG_MS} ms`);
    }),
  );
}

/** What a server passes on is anybody's text, and of a node without a key nobody could be proven to be its owner. */
function readUnl(text: string): UnlV3[] {
  try {
    const unl = parseUnl(text);
    return unl.version === 3 ? [unl] : [];
  } catch {
    return [];
  }
}
