import type natPmpPackage from 'nat-pmp';
import { defer, exhaustMap, filter, from, map, Observable, switchMap, timer } from 'rxjs';
import { addressFromBytes } from '../endpoint.js';
import { PortMappingError } from '../errors.js';
import { ANSWER_MS, PORT_MAPPING_PORT } from './ask.js';
import { hasRestarted, type Epoch } from './epoch.js';
import type { Mapping } from './mapping.js';
import { retransmit } from './retransmit.js';
import { holdLease$ } from './hold-lease.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import { within } from '../operators/within.js';
import { loadNatPmp } from '../packages.js';
import type { GatewayQuestion, PortMapper, PortRequest } from './mapper.js';

/** A mapping, and when the gateway said how long it had been up. */
interface NatPmpMapping extends Mapping {
  readonly epoch: Epoch;
}

/** The gateway's external address, and when it said so. */
interface External {
  readonly address: string;
  readonly epoch: Epoch;
}

/**
 * Asks the gateway by NAT-PMP (RFC 6886): for its external address, then for a mapping. The package encodes the datagrams. This
 * file adds the retransmission (§3.1), a local port of its own, and the check that answers come from the gateway.
 */
export const natPmp: PortMapper = {
  name: 'nat-pmp',
  families: [4],
  open: (request$) =>
    request$.pipe(
      switchMap((request) =>
        external$(request).pipe(
          switchMap((external) =>
            request.turn(
              holdLease$({
                ...request,
                ask$: (held: NatPmpMapping | undefined) => map$(request, external, held),
                lost$: (held) => lost$(request, held),
                release$: () => unmap$(request),
                takeBack$: unmap$(request),
              }),
            ),
          ),
        ),
      ),
    ),
  ask$: (question) => external$(question).pipe(map(({ address }) => ({ external: address }))),
};

function external$(request: GatewayQuestion): Observable<External> {
  return exchange$(request, (client, callback) => {
    client.externalIp(callback);
  }).pipe(
    map(({ ip, epoch }) => ({ address: addressFromBytes(Uint8Array.from(ip ?? [])), epoch: epochOf(epoch, request) })),
  );
}

/** Asks for the mapping, or for more time of it; the external port it has is the one it is to keep (§3.3). */
function map$(request: PortRequest, external: External, held: NatPmpMapping | undefined): Observable<NatPmpMapping> {
  const { gateway, internal, timing } = request;
  const wish = held?.external.port ?? internal.port;
  const ttl = Math.ceil(timing.mappingMs / 1000);
  // A renewal may find another external address.
  const address$ = held === undefined ? from([external]) : external$(request);
  return address$.pipe(
    switchMap(({ address }) =>
      exchange$(request, (client, callback) => {
        client.portMapping({ type: 'tcp', private: internal.port, public: wish, ttl }, callback);
      }).pipe(
        map((answer): NatPmpMapping => {
          if (answer.private !== internal.port || answer.public === undefined || answer.public === 0) {
            throw new PortMappingError(
              `The gateway ${gateway.address} granted another mapping by NAT-PMP than was asked for`,
            );
          }
          return {
            protocol: 'nat-pmp',
            gateway: gateway.address,
            internal,
            external: { address, port: answer.public },
            lifetimeMs: (answer.ttl ?? 0) * 1000,
            epoch: epochOf(answer.epoch, request),
          };
        }),
      ),
    ),
  );
}

/** A lifetime of 0 deletes the mapping (§3.4). */
function unmap$(request: PortRequest): Observable<unknown> {
  return exchange$(request, (client, callback) => {
    client.portMapping({ type: 'tcp', private: request.internal.port, public: 0, ttl: 0 }, callback);
  });
}

/** Looks from time to time whether the gateway has restarted (§3.6), or has another address. */
function lost$(request: PortRequest, held: NatPmpMapping): Observable<unknown> {
  const { mappingCheckMs } = request.timing;
  return timer(mappingCheckMs, mappingCheckMs, request.scheduler).pipe(
    exhaustMap(() => external$(request).pipe(ignoreErrors())),
    filter(({ address, epoch }) => hasRestarted(held.epoch, epoch) || address !== held.external.address),
  );
}

/** One request, as a call of the package. */
type Ask = (client: natPmpPackage.Client, callback: natPmpPackage.Callback) => void;

/** One request and its answer. */
function exchange$(request: GatewayQuestion, ask: Ask): Observable<natPmpPackage.Answer> {
  return defer(loadNatPmp).pipe(
    switchMap(({ Client }) => answer$(new Client(request.gateway.host), request, ask)),
    within(ANSWER_MS, `The gateway ${request.gateway.address} did not answer by NAT-PMP`, request.scheduler),
  );
}

function answer$(
  client: natPmpPackage.Client,
  { gateway, internal, scheduler }: GatewayQuestion,
  ask: Ask,
): Observable<natPmpPackage.Answer> {
  return new Observable((subscriber) => {
    const fail = (cause: Error & { readonly code?: unknown }) => {
      const code = typeof cause.code === 'number' ? cause.code : undefined;
      const words = `The gateway ${gateway.address} refused by NAT-PMP: ${cause.message}`;
      subscriber.error(new PortMappingError(words, code, { cause }));
    };
    client.on('error', fail);
    // Otherwise the package binds port 5350, and only one program on a machine could use it.
    let isBound = false;
    client.connect = () => {
      if (isBound) return;
      isBound = true;
      client.socket.bind({ port: 0, address: internal.address });
    };
    const take = client.onmessage.bind(client);
    client.onmessage = (message, remote) => {
      // §3.1: what others send is to be ignored. The package throws at a length it does not expect.
      const isGateway = remote.address === gateway.address && remote.port === PORT_MAPPING_PORT;
      if (isGateway && isAnswer(message)) take(message, remote);
    };
    ask(client, (error, answer) => {
      if (error !== null) fail(error);
      else if (answer !== undefined) {
        subscriber.next(answer);
        subscriber.complete();
      }
    });
    // The package would send it at once, too.
    client.onlistening = () => {
      client.listening = true;
      const sent = retransmit(() => {
        client._reqActive = false;
        client._next();
      }, scheduler);
      subscriber.add(sent);
    };
    return () => {
      client.close();
    };
  });
}

/** Whether a datagram is as long as an answer of its kind: 12 bytes for an address, 16 for a mapping, a refusal at least 8. */
function isAnswer(message: Buffer): boolean {
  if (message.length < 8) return false;
  const [opcode, result] = [message.readUInt8(1), message.readUInt16BE(2)];
  return result !== 0 || message.length === (opcode === 128 ? 12 : 16);
}

function epochOf(seconds: number, { scheduler }: GatewayQuestion): Epoch {
  return { seconds, at: scheduler.now() };
}
