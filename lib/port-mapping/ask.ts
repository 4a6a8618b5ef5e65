import { createSocket } from 'node:dgram';
import { Observable, take, type SchedulerLike } from 'rxjs';
import { familyOf } from '../endpoint.js';
import { PortMappingError } from '../errors.js';
import { within } from '../operators/within.js';
import type { Gateway } from './gateway.js';
import { retransmit } from './retransmit.js';

/** The port on which a gateway takes the requests of NAT-PMP (RFC 6886 §3.1) and PCP (RFC 6887 §19.1). */
export const PORT_MAPPING_PORT = 5351;

/**
 * How long a gateway has to answer, in milliseconds. One that has not answered by then does not speak the protocol, or is too
 * slow to wait for.
 */
export const ANSWER_MS = 2_000;

/** A request to a gateway in one datagram. */
interface GatewayRequest<T> {
  readonly gateway: Gateway;
  /** The local address to ask from. */
  readonly localAddress: string;
  /** What it is called in messages: "PCP". */
  readonly protocol: string;
  readonly datagram: Buffer;
  /** Reads a response: `undefined` for any other datagram. May throw the error that a response reports. */
  readonly read: (datagram: Buffer) => T | undefined;
  readonly scheduler: SchedulerLike;
}

/**
 * Sends a request to a gateway by UDP, and again until it answers. Emits the response as `read` returns it, and completes. The
 * socket is connected, so that the system drops datagrams from other hosts.
 *
 * @throws PortMappingError when nobody listens there; TimeoutError when it stays silent; what `read` throws.
 *
 * @example
 * ask$({ gateway, localAddress: '192.168.1.7', protocol: 'PCP', datagram, read: parsePcp, scheduler }).subscribe();
 */
export function ask$<T>(asking: GatewayRequest<T>): Observable<T> {
  const { gateway, protocol, scheduler } = asking;
  return answer$(asking).pipe(
    take(1),
    within(ANSWER_MS, `The gateway ${gateway.address} did not answer by ${protocol}`, scheduler),
  );
}

function answer$<T>({ gateway, localAddress, protocol, datagram, read, scheduler }: GatewayRequest<T>): Observable<T> {
  return new Observable((subscriber) => {
    const socket = createSocket(familyOf(gateway.host) === 4 ? 'udp4' : 'udp6');
    const fail = (cause: Error) => {
      const words = `The gateway ${gateway.address} does not take ${protocol} requests: ${cause.message}`;
      subscriber.error(new PortMappingError(words, undefined, { cause }));
    };
    socket.on('error', fail);
    socket.on('message', (message) => {
      try {
        const answer = read(message);
        if (answer !== undefined) subscriber.next(answer);
      } catch (error) {
        subscriber.error(error);
      }
    });
    // By the event: a callback would also be called after a failure.
    socket.on('connect', () => {
      const sent = retransmit(() => {
        socket.send(datagram);
      }, scheduler);
      subscriber.add(sent);
    });
    socket.bind({ address: localAddress }, () => {
      if (!subscriber.closed) socket.connect(PORT_MAPPING_PORT, gateway.host);
    });
    return () => {
      socket.close();
    };
  });
}
