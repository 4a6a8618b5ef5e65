import { randomBytes } from 'node:crypto';
import { exhaustMap, filter, map, switchMap, timer, type Observable } from 'rxjs';
import { familyOf } from '../endpoint.js';
import { PortMappingError } from '../errors.js';
import { ask$ } from './ask.js';
import { hasLostState, type Epoch } from './epoch.js';
import {
  ANNOUNCE,
  describeResult,
  formatAnnounce,
  formatMap,
  MAP,
  NONCE_BYTES,
  parsePcp,
  type PcpAnswer,
} from './pcp-messages.js';
import type { Mapping } from './mapping.js';
import { holdLease$ } from './hold-lease.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import type { GatewayQuestion, PortMapper, PortRequest } from './mapper.js';

/** A mapping, and when the server said how long it had been up. */
interface PcpMapping extends Mapping {
  readonly epoch: Epoch;
}

/**
 * Asks the gateway by PCP (RFC 6887): for IPv4 a mapping, for IPv6 a way through its firewall. The first request only asks for
 * its epoch, so that nothing is changed before this protocol's turn.
 */
export const pcp: PortMapper = {
  name: 'pcp',
  families: [4, 6],
  open: (request$) =>
    request$.pipe(
      switchMap((request) =>
        epoch$(request).pipe(
          switchMap(() => {
            const nonce = randomBytes(NONCE_BYTES);
            return request.turn(
              holdLease$({
                ...request,
                ask$: (held: PcpMapping | undefined) => map$(request, nonce, held),
                lost$: (held) => lost$(request, held),
                release$: () => unmap$(request, nonce),
                takeBack$: unmap$(request, nonce),
              }),
            );
          }),
        ),
      ),
    ),
  ask$: (question) => epoch$(question).pipe(map(() => ({}))),
};

function epoch$(request: GatewayQuestion): Observable<Epoch> {
  return exchange$(request, ANNOUNCE, formatAnnounce(request.internal.address)).pipe(
    map((answer) => epochOf(answer, request)),
  );
}

/** Asks for the mapping, or for more time of it; the external port it has is the one it is to keep. */
function map$(request: PortRequest, nonce: Buffer, held: PcpMapping | undefined): Observable<PcpMapping> {
  const { gateway, internal, timing } = request;
  const message = formatMap({
    client: internal.address,
    nonce,
    internalPort: internal.port,
    externalPort: held?.external.port ?? internal.port,
    lifetimeSeconds: Math.ceil(timing.mappingMs / 1000),
  });
  return exchange$(request, MAP, message, nonce).pipe(
    map((answer): PcpMapping => {
      const external = answer.map?.external;
      if (external === undefined || familyOf(external.address) !== familyOf(internal.address) || external.port === 0) {
        throw new PortMappingError(`The gateway ${gateway.address} granted a mapping by PCP that leads nowhere`);
      }
      const lifetimeMs = answer.lifetimeSeconds * 1000;
      return {
        protocol: 'pcp',
        gateway: gateway.address,
        internal,
        external,
        lifetimeMs,
        epoch: epochOf(answer, request),
      };
    }),
  );
}

/** A lifetime of 0 deletes the mapping (§15.1). */
function unmap$(request: PortRequest, nonce: Buffer): Observable<unknown> {
  const { address, port } = request.internal;
  const message = formatMap({ client: address, nonce, internalPort: port, externalPort: 0, lifetimeSeconds: 0 });
  return exchange$(request, MAP, message, nonce);
}

/** Checks from time to time whether the server has lost its mappings (§8.5). Silence is no sign of that. */
function lost$(request: PortRequest, held: PcpMapping): Observable<unknown> {
  const { mappingCheckMs } = request.timing;
  return timer(mappingCheckMs, mappingCheckMs, request.scheduler).pipe(
    exhaustMap(() => epoch$(request).pipe(ignoreErrors())),
    filter((epoch) => hasLostState(held.epoch, epoch)),
  );
}

/** One request and its answer, if it is a success. */
function exchange$(request: GatewayQuestion, opcode: number, datagram: Buffer, nonce?: Buffer): Observable<PcpAnswer> {
  const { gateway, internal, scheduler } = request;
  return ask$({
    gateway,
    localAddress: internal.address,
    protocol: 'PCP',
    datagram,
    scheduler,
    read: (bytes) => {
      const answer = parsePcp(bytes);
      if (answer === undefined) return undefined;
      const refusal = new PortMappingError(
        `The gateway ${gateway.address} refused by PCP: ${describeResult(answer.result)}`,
        answer.result,
      );
      if (answer.result === 1) throw refusal;
      // An answer to another request, perhaps an earlier one (§11.4).
      if (answer.opcode !== opcode) return undefined;
      if (nonce !== undefined && !isFor(answer, nonce, internal.port)) return undefined;
      if (answer.result !== 0) throw refusal;
      return answer;
    },
  });
}

function isFor({ map: answer }: PcpAnswer, nonce: Buffer, internalPort: number): boolean {
  return answer?.nonce.equals(nonce) === true && answer.internalPort === internalPort;
}

function epochOf({ epochSeconds }: PcpAnswer, { scheduler }: GatewayQuestion): Epoch {
  return { seconds: epochSeconds, at: scheduler.now() };
}
