import {
  catchError,
  defer,
  EMPTY,
  forkJoin,
  map,
  mergeMap,
  switchMap,
  take,
  throwIfEmpty,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { canonicalAddress, familyOf } from '../../endpoint.js';
import { HttpError, PortMappingError } from '../../errors.js';
import type { Gateway } from '../gateway.js';
import { fetch$, type HttpAnswer } from '../../http.js';
import { within } from '../../operators/within.js';
import { loadNatUpnp } from '../../packages.js';
import { show } from '../../validate.js';
import { ANSWER_MS } from '../ask.js';
import { DESCRIPTION_NAMES, routerNameIn, servicesIn, type DescribedService } from './description.js';
import { formatAction, parseAction } from './soap.js';
import { elsewhere, leadsTo, search$ } from './ssdp.js';
import { elementAt, parseXml, textOf, type XmlElement } from './xml.js';

/** For an action to be done, in milliseconds: UPnP allows 30 s (Device Architecture 1.1 §3.2.1), and cheap routers take some. */
const CALL_MS = 5_000;

/** A description is a few KiB, and of some gateways 64; an answer is less. */
const MAX_BYTES = 128 * 1024;

/** How many control URLs are tried, of all services of a gateway. */
const MAX_CONTROLS = 8;

/** The services that map IPv4 ports: both versions, and the one of old dial-up gateways. */
const CONNECTIONS = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
];

/** The service that opens the IPv6 firewall. */
const FIREWALLS = ['urn:schemas-upnp-org:service:WANIPv6FirewallControl:1'];

/** How a gateway is talked to. */
interface IgdConfig {
  readonly gateway: Gateway;
  /** The local address to speak from; a gateway lets each host open ports for itself only. */
  readonly localAddress: string;
  readonly scheduler: SchedulerLike;
}

/** A service of a gateway that actions are called of. */
export interface Service {
  /** Its type with its version. */
  readonly type: string;
  /** What the gateway calls itself, for display, if it does. */
  readonly router: string | undefined;
  /**
   * Calls an action. Emits what it returns and completes.
   *
   * @param values in the order in which the service names them.
   * @throws PortMappingError with the gateway's own code as its `refusal`; HttpError; TimeoutError.
   */
  readonly call$: (action: string, values?: Readonly<Record<string, string | number>>) => Observable<XmlElement>;
}

/**
 * Finds the services of a UPnP gateway that open ports (UPnP Device Architecture 1.1; WANIPConnection 1 and 2,
 * WANIPv6FirewallControl 1). Emits them, the best first, and completes. A service that may be called in several ways is there for
 * each of them. nat-upnp finds the services in a description; what is fetched of the gateway is fetched here, where it has a
 * limit and is checked: the package itself knows only IGD:1, crashes the process on an unexpected answer, and has no timeout.
 *
 * @throws PortMappingError when there is none, or all lead elsewhere; HttpError; TimeoutError.
 *
 * @example
 * services$({ gateway, localAddress: '192.168.1.7', scheduler }).subscribe(([best]) => console.log(best.type));
 */
export function services$(config: IgdConfig): Observable<readonly [Service, ...Service[]]> {
  const found$ = controls$(config);
  return found$.pipe(
    map(([first, ...others]) => [
      serviceAt(first, found$, config),
      ...others.map((control) => serviceAt(control, found$, config)),
    ]),
  );
}

function serviceAt(control: Control, found$: Observable<readonly Control[]>, config: IgdConfig): Service {
  const { type, name, router } = control;
  let latest = control;
  return {
    type,
    router,
    call$: (action, values = {}) =>
      defer(() => call$(latest, action, values, config)).pipe(
        catchError((error: unknown) => {
          // An action without an answer may have been carried out.
          if (!(error instanceof HttpError)) throw error;
          // After a restart the gateway may use another port.
          return found$.pipe(
            switchMap((controls) => {
              latest = controls.find((each) => each.name === name) ?? latest;
              return call$(latest, action, values, config);
            }),
          );
        }),
      ),
  };
}

/** Where a service takes the calls of its actions. */
interface Control {
  readonly type: string;
  /** Tells it from others, also after the gateway has restarted and its URL has changed. */
  readonly name: string;
  readonly url: URL;
  /** What the gateway calls itself. */
  readonly router: string | undefined;
}

type Controls = readonly [Control, ...Control[]];

/** Searches for the gateway and reads its descriptions: the first with services that open ports counts. */
function controls$(config: IgdConfig): Observable<Controls> {
  return defer(() => {
    let failure: unknown;
    return search$(config).pipe(
      mergeMap((location) =>
        described$(location, config).pipe(
          catchError((error: unknown) => {
            failure ??= error;
            return EMPTY;
          }),
        ),
      ),
      throwIfEmpty(() => failure),
      take(1),
    );
  });
}

/** Fetches a description, and reads where its services are called. */
function described$(location: URL, config: IgdConfig): Observable<Controls> {
  const { gateway } = config;
  return forkJoin([loadNatUpnp(), request$(location, {}, ANSWER_MS, config)]).pipe(
    map(([{ device }, { status, text }]) => {
      const root = status === 200 ? elementAt(parseXml(text, DESCRIPTION_NAMES), 'root') : undefined;
      if (root === undefined)
        throw new HttpError(`Expected a UPnP description from ${location.href}, got something else`);
      const { services } = device.create(location.href).parseDescription(root);
      const types = familyOf(gateway.address) === 4 ? CONNECTIONS : FIREWALLS;
      return controlsOf(gateway, servicesIn(root, services, location, types), routerNameIn(root));
    }),
  );
}

/** The ways to call services, the likeliest first, of those that lead to the gateway. */
function controlsOf(gateway: Gateway, services: readonly DescribedService[], router: string | undefined): Controls {
  const controls = services.flatMap(({ type, id, urls }) =>
    urls.map((url, index) => ({ type, name: `${type} ${id} ${index}`, url, router })),
  );
  const [first, ...others] = controls.filter(({ url }) => leadsTo(gateway, url)).slice(0, MAX_CONTROLS);
  if (first !== undefined) return [first, ...others];
  const [wrong] = controls;
  if (wrong !== undefined) throw elsewhere(gateway, wrong.url.href);
  throw new PortMappingError(`The gateway ${gateway.address} has no UPnP service that opens ports`);
}

function call$(
  { type, url }: Control,
  action: string,
  values: Readonly<Record<string, string | number>>,
  config: IgdConfig,
): Observable<XmlElement> {
  return defer(() => {
    const body = formatAction(type, action, values);
    const headers = { 'content-type': 'text/xml; charset="utf-8"', soapaction: `"${type}#${action}"` };
    return request$(url, { method: 'POST', headers, body }, CALL_MS, config);
  }).pipe(
    map(({ text }) => {
      const answer = parseAction(action, text);
      if (answer.ok) return answer.values;
      const words = `The gateway ${config.gateway.address} refused ${action} by UPnP: ${answer.words} (${answer.code})`;
      throw new PortMappingError(words, answer.code);
    }),
  );
}

/** Asks the gateway itself, whatever address of it an IPv6 URL names. */
function request$(
  url: URL,
  request: { readonly method?: 'POST'; readonly headers?: Readonly<Record<string, string>>; readonly body?: string },
  withinMs: number,
  { gateway, localAddress, scheduler }: IgdConfig,
): Observable<HttpAnswer> {
  return fetch$({ ...request, url, maxBytes: MAX_BYTES, localAddress, connectTo: gateway.host, isLenient: true }).pipe(
    within(withinMs, `The gateway ${gateway.address} did not answer by UPnP's HTTP`, scheduler),
  );
}

/**
 * The text of a value that an action returned.
 *
 * @throws HttpError when there is none.
 */
export function valueOf(values: XmlElement, name: string): string {
  const text = textOf(values, name);
  if (text === undefined) throw new HttpError(`Expected ${name} in a UPnP answer, got none`);
  return text;
}

/**
 * The address that an action returned.
 *
 * @throws HttpError when there is none.
 */
export function addressOf(values: XmlElement, name: string): string {
  const text = valueOf(values, name);
  const address = canonicalAddress(text);
  if (address === undefined) throw new HttpError(`Expected ${name} to be an address, got ${show(text)}`);
  return address;
}
