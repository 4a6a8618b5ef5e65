import { catchError, defer, from, map, switchMap, type Observable, type SchedulerLike } from 'rxjs';
import { canonicalAddress, familyOf } from '../endpoint.js';
import { HttpError, PortMappingError } from '../errors.js';
import type { Gateway } from '../gateway.js';
import { fetch$, type HttpAnswer } from '../http.js';
import { within } from '../operators/within.js';
import { loadNatUpnp } from '../packages.js';
import { ANSWER_MS } from './ask.js';
import { elementAt, formatAction, parseAction, parseXml, textOf, type XmlElement } from './soap.js';
import { elsewhere, leadsTo, search$ } from './ssdp.js';

/** For an action to be done, in milliseconds: UPnP allows 30 s (Device Architecture 1.1 §3.2.1), and cheap routers take some. */
const CALL_MS = 5_000;

/** A description is a few KiB, an answer less. */
const MAX_BYTES = 256 * 1024;

/** What translates addresses: by its versions, and as gateways of old call it that dial up. */
const CONNECTIONS = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
];

/** What lets others through to IPv6 addresses. */
const FIREWALLS = ['urn:schemas-upnp-org:service:WANIPv6FirewallControl:1'];

/** How a gateway is talked to. */
export interface IgdConfig {
  readonly gateway: Gateway;
  /** The local address to speak from; a gateway lets each host open ports for itself only. */
  readonly localAddress: string;
  readonly scheduler: SchedulerLike;
}

/** A service of a gateway that actions are called of. */
export interface Service {
  /** Its type with its version. */
  readonly type: string;
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
 * WANIPv6FirewallControl 1). Emits them, the best first, and completes. Which of its services do, nat-upnp knows; what is fetched of the
 * gateway is fetched here, where it has a limit and is checked: the package's own way knows IGD:1 alone, ends the process at
 * an answer it does not expect, and waits for ever.
 *
 * @throws PortMappingError when there is none, or something leads elsewhere; HttpError; TimeoutError.
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
  const { type } = control;
  let latest = control;
  return {
    type,
    call$: (action, values = {}) =>
      defer(() => call$(latest, action, values, config)).pipe(
        catchError((error: unknown) => {
          // What was not answered may have been done.
          if (!(error instanceof HttpError)) throw error;
          // It may be up again after a restart, at another port.
          return found$.pipe(
            switchMap((controls) => {
              latest = controls.find((each) => each.type === type) ?? latest;
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
  readonly url: URL;
}

/** Searches for the gateway and reads its description. */
function controls$(config: IgdConfig): Observable<readonly [Control, ...Control[]]> {
  const { gateway } = config;
  const types = familyOf(gateway.address) === 4 ? CONNECTIONS : FIREWALLS;
  return search$(config).pipe(
    switchMap((description) =>
      request$(description, {}, ANSWER_MS, config).pipe(
        switchMap(({ status, text }) => {
          const root = status === 200 ? elementAt(parseXml(text), 'root') : undefined;
          if (root === undefined) throw noDescription(description);
          return controlsIn$(root, description, types);
        }),
      ),
    ),
    map((controls) => {
      const wrong = controls.find(({ url }) => !leadsTo(gateway, url));
      if (wrong !== undefined) throw elsewhere(gateway, wrong.url.href);
      const [first, ...others] = controls;
      if (first !== undefined) return [first, ...others];
      throw new PortMappingError(`The gateway ${gateway.address} has no UPnP service that opens ports`);
    }),
  );
}

function noDescription({ href }: URL, options?: ErrorOptions): HttpError {
  return new HttpError(`Expected a UPnP description from ${href}, got something else`, options);
}

/** The services of some types in a description, in the order of the types. */
function controlsIn$(root: XmlElement, description: URL, types: readonly string[]): Observable<readonly Control[]> {
  return from(loadNatUpnp()).pipe(
    map(({ device }) => {
      const found = device.create(description.href);
      found._getXml = (_, callback) => {
        callback(null, root);
      };
      const controls: Control[] = [];
      try {
        for (const type of types) {
          found.getService([type], (_, answer) => {
            const url = String(answer?.controlURL);
            if (answer?.service === type && URL.canParse(url)) controls.push({ type, url: new URL(url) });
          });
        }
      } catch (cause) {
        throw noDescription(description, { cause });
      }
      return controls;
    }),
  );
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
  return fetch$({ ...request, url, maxBytes: MAX_BYTES, localAddress, connectTo: gateway.host }).pipe(
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
  if (address === undefined) throw new HttpError(`Expected ${name} to be an address, got ${text}`);
  return address;
}
