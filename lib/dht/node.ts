import type DHT from 'dht-rpc';
import {
  catchError,
  defer,
  distinctUntilChanged,
  filter,
  forkJoin,
  from,
  fromEvent,
  map,
  mergeMap,
  noop,
  Observable,
  of,
  startWith,
  switchMap,
  throwError,
  toArray,
} from 'rxjs';
import {
  canonicalAddress,
  familyOf,
  isPort,
  isPublicUnicast,
  sameEndpoint,
  scopeOf,
  type Endpoint,
  type ServerAddress,
} from '../endpoint.js';
import { ListenError, ProtocolError, UnavailableError } from '../errors.js';
import { addressesOf$ } from '../link/names.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import { loadDhtRpc } from '../packages.js';

/** The options of a node of the DHT. */
export interface DhtNodeConfig {
  /** Nodes to begin with. Without any this node waits for others to find it. */
  readonly bootstrap: readonly ServerAddress[];
  /** The local IPv4 address. Default: all. */
  readonly bind?: string | undefined;
  /** The local UDP port. Default: the system chooses. */
  readonly port?: number | undefined;
  /**
   * The IPv4 address at which others reach this node, for one that is part of the DHT from its start. Without one it takes part once
   * it has been found to be reachable, and to stay: after some twenty minutes.
   */
  readonly address?: string | undefined;
}

/** A node as the DHT knows it. */
export interface Contact extends Endpoint {
  /** Derived from the address and the port, so nobody can choose a position in the DHT, except by having many addresses. */
  readonly id: Buffer;
}

/** A request to another node. */
interface Question {
  readonly command: number;
  readonly value: Buffer;
  /** The token that the node gave to this host. It proves the source address. */
  readonly token?: Buffer | undefined;
  /** Asks for the nodes that are closest to it, too. */
  readonly target?: Buffer | undefined;
}

/** What another node says. */
export interface Answer {
  /** Its id, where it is part of the DHT. */
  readonly id: Buffer | undefined;
  /** Where it sees this node. */
  readonly seenAs: Endpoint;
  readonly token: Buffer | undefined;
  readonly closer: readonly Contact[];
  readonly error: number;
  readonly value: Buffer;
}

/** A request of another node. */
export interface Asked {
  readonly from: Endpoint;
  readonly command: number;
  readonly value: Buffer;
  /** The caller's token, checked: the caller receives at its source address. */
  readonly token: Buffer | undefined;
  /** Sends a request back from the same socket, so that it passes the caller's NAT. Fails like {@link DhtNode.ask$}. */
  readonly askBack$: (question: Question) => Observable<Answer>;
  readonly reply: (value: Buffer, options?: { readonly token?: boolean; readonly closer?: boolean }) => void;
  /** Says that it knows no such command. */
  readonly refuse: () => void;
}

/** A node of the DHT that runs. */
export interface DhtNode {
  /** Where it can be found by those who share its network. */
  readonly local: Endpoint;
  /** Its id, once it is part of the DHT. */
  readonly id: () => Buffer | undefined;
  /** Where other nodes see it, as far as they agree. */
  readonly observed: () => Endpoint | undefined;
  /** The same, whenever it changes. */
  readonly observed$: Observable<Endpoint | undefined>;
  readonly asked$: Observable<Asked>;
  /**
   * Asks a node: emits the answer and completes. Fails after a second without one, or after four with `retry`. Unsubscribing takes the question back.
   */
  readonly ask$: (to: Endpoint, question: Question, retry: boolean) => Observable<Answer>;
  /** The nodes closest to a target of those that it knows. */
  readonly closest: (target: Buffer, count: number) => readonly Contact[];
  /** The nodes to begin with, as far as their names can be resolved. Emits once, and completes. */
  readonly bootstrap$: Observable<readonly Contact[]>;
}

/** dht-rpc's own: there is no such command. */
const UNKNOWN_COMMAND = 1;

/** How many checked addresses are remembered. */
const MAX_JUDGED = 10_000;

/** The nodes of one answer that are looked at; Kademlia's k. */
const MAX_CLOSER = 20;

/**
 * Runs a node of the DHT for as long as it is subscribed to. Emits once it listens. dht-rpc, which has native parts, is
 * loaded only now.
 *
 * @throws ListenError when the port cannot be listened on, or dht-rpc does not run on this machine; UnavailableError when it is not
 * installed, or the runtime cannot load it.
 */
export function dhtNode$(config: DhtNodeConfig): Observable<DhtNode> {
  const { bind = '0.0.0.0', port = 0, bootstrap } = config;
  return forkJoin([defer(loadDhtRpc), resolved$(bootstrap)]).pipe(
    switchMap(([{ DHT, peer }, beginnings]) => {
      const isBelievable = believable(config, beginnings);
      return opened$(DHT, config, isBelievable).pipe(
        map((dht) => wrap(dht, { bootstrap, isBelievable, idOf: (host, port) => peer.id(host, port) })),
      );
    }),
    catchError((cause: unknown) =>
      throwError(() =>
        cause instanceof UnavailableError
          ? cause
          : new ListenError(`The DHT cannot listen on UDP port ${port} of ${bind}`, { cause }),
      ),
    ),
  );
}

/** The IPv4 addresses of servers, of those whose names can be resolved. Emits once, and completes. */
function resolved$(servers: readonly ServerAddress[]): Observable<readonly Endpoint[]> {
  return from(servers).pipe(
    mergeMap(({ host, port }) =>
      addressesOf$(host, 4).pipe(
        mergeMap((addresses) => addresses.filter((address) => familyOf(address) === 4)),
        map((address) => ({ address, port })),
        ignoreErrors(),
      ),
    ),
    toArray(),
  );
}

/** Which addresses of nodes are believed: public ones, and of others the kinds that the first nodes or this one have. */
function believable({ bind, address }: DhtNodeConfig, beginnings: readonly Endpoint[]): (host: string) => boolean {
  const trusted = [...beginnings.map((endpoint) => endpoint.address), bind ?? '', address ?? ''];
  const scopes = new Set(trusted.flatMap((text) => canonicalAddress(text) ?? []).map(scopeOf));
  // Each answer names twenty, and mostly the same ones again.
  const known = new Map<string, boolean>();
  return (host) => {
    const before = known.get(host);
    if (before !== undefined) return before;
    const isBelieved = isPublicUnicast(host) || (scopeOf(host) !== 'global' && scopes.has(scopeOf(host)));
    if (known.size >= MAX_JUDGED) known.clear();
    known.set(host, isBelieved);
    return isBelieved;
  };
}

function opened$(Dht: typeof DHT, config: DhtNodeConfig, isBelievable: (host: string) => boolean): Observable<DHT> {
  const { bootstrap, bind = '0.0.0.0', port = 0, address } = config;
  return new Observable((subscriber) => {
    const dht = new Dht({
      bootstrap,
      host: bind,
      port,
      anyPort: false,
      filterNode: ({ host, port }) => isPort(port) && isBelievable(host),
      ...(address !== undefined && { ephemeral: false, firewalled: false }),
    });
    // As dht-rpc's own `bootstrapper` does it; here the port is known only now. That would also take part only once it has found
    // its place, which whoever names nodes that are not there can delay for minutes.
    const isReady = dht.bind().then(async () => {
      if (address === undefined) return;
      dht._nat.add(address, dht.io.serverSocket.address().port);
      await dht._updateNetworkState();
    });
    isReady.then(
      () => {
        subscriber.next(dht);
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
    return () => {
      // It can only fail to close what was never opened.
      dht.destroy().catch(noop);
    };
  });
}

/** What a node is wrapped with. */
interface WrapConfig {
  readonly bootstrap: readonly ServerAddress[];
  readonly isBelievable: (host: string) => boolean;
  readonly idOf: (host: string, port: number) => Buffer;
}

function wrap(dht: DHT, { bootstrap, isBelievable, idOf }: WrapConfig): DhtNode {
  const contactOf = ({ host, port }: DHT.Address): Contact => ({ address: host, port, id: idOf(host, port) });
  const { host: address, port } = dht.io.serverSocket.address();

  function ask$(to: Endpoint, question: Question, retry: boolean, socket?: DHT.Socket): Observable<Answer> {
    return new Observable<DHT.Reply>((subscriber) => {
      const session = dht.session();
      const { command, value, token = null, target = null } = question;
      dht
        .request(
          { command, value, token, target },
          { host: to.address, port: to.port },
          { session, retry, ...(socket !== undefined && { socket }) },
        )
        .then(
          (reply) => {
            subscriber.next(reply);
            subscriber.complete();
          },
          (error: unknown) => {
            subscriber.error(error);
          },
        );
      return () => {
        session.destroy();
      };
    }).pipe(
      mergeMap((reply) => {
        // dht-rpc takes an answer by its number alone, which can be guessed.
        if (reply.from.port !== to.port || reply.from.host !== to.address) {
          return throwError(() => new ProtocolError('Somebody else answered'));
        }
        const closer = (reply.closerNodes ?? [])
          .slice(0, MAX_CLOSER)
          .filter(({ host, port }) => isPort(port) && isBelievable(host));
        return of({
          id: reply.from.id ?? undefined,
          seenAs: { address: reply.to.host, port: reply.to.port },
          token: reply.token ?? undefined,
          closer: closer.map(contactOf),
          error: reply.error,
          value: reply.value ?? Buffer.alloc(0),
        });
      }),
    );
  }

  const observed = () => (dht.host === null || dht.port === 0 ? undefined : { address: dht.host, port: dht.port });

  return {
    local: { address, port },
    id: () => dht.id ?? undefined,
    observed,
    observed$: fromEvent(dht, 'nat-update').pipe(
      startWith(undefined),
      map(observed),
      distinctUntilChanged((a, b) => (a === undefined || b === undefined ? a === b : sameEndpoint(a, b))),
    ),
    asked$: new Observable<DHT.Request>((subscriber) => {
      const onRequest = (request: DHT.Request) => {
        subscriber.next(request);
      };
      dht.on('request', onRequest);
      return () => {
        dht.off('request', onRequest);
      };
    }).pipe(
      filter(({ from: { port } }) => isPort(port)),
      map((request) => {
        const from = { address: request.from.host, port: request.from.port };
        return {
          from,
          command: request.command,
          value: request.value ?? Buffer.alloc(0),
          token: request.token ?? undefined,
          askBack$: (question) => ask$(from, question, false, request.socket),
          reply: (value, { token = false, closer = false } = {}) => {
            request.reply(value, { token, closerNodes: closer });
          },
          refuse: () => {
            request.error(UNKNOWN_COMMAND, { token: false, closerNodes: false });
          },
        };
      }),
    ),
    ask$: (to, question, retry) => ask$(to, question, retry),
    closest: (target, count) =>
      dht.table.closest(target, count).map(({ host, port, id }) => ({ address: host, port, id })),
    bootstrap$: resolved$(bootstrap).pipe(
      map((endpoints) => endpoints.map(({ address: host, port }) => contactOf({ host, port }))),
    ),
  };
}
