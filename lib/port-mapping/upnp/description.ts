import { elementAt, isElement, textOf, type XmlElement } from './xml.js';
import { readUrl } from '../../validate.js';
import { clean } from '../../words.js';

/** The elements of a description that are read here and by nat-upnp, as it spells them. */
export const DESCRIPTION_NAMES = [
  'root',
  'device',
  'deviceList',
  'serviceList',
  'service',
  'serviceType',
  'serviceId',
  'controlURL',
];

/** A service by the gateway's description. */
export interface DescribedService {
  /** Its type with its version. */
  readonly type: string;
  /** The id that tells services of one type apart; empty if the gateway gives none. */
  readonly id: string;
  /** Where its actions may be called, the likeliest first. */
  readonly urls: readonly URL[];
}

/**
 * The services of some types in a description, in the order of the types. Pure.
 *
 * @param root the description.
 * @param services its services, whichever device they are of.
 * @param location the URL of the description.
 *
 * @example
 * servicesIn(root, services, new URL('http://192.168.1.1:5000/rootDesc.xml'), types);
 */
export function servicesIn(
  root: XmlElement,
  services: readonly unknown[],
  location: URL,
  types: readonly string[],
): readonly DescribedService[] {
  const base = textOf(root, 'URLBase');
  const described = services.filter(isElement).map((service) => ({
    type: textOf(service, 'serviceType') ?? '',
    id: textOf(service, 'serviceId') ?? '',
    urls: controlUrls(textOf(service, 'controlURL') ?? '', base, location),
  }));
  return types.flatMap((type) => described.filter((service) => service.type === type && service.urls.length > 0));
}

/**
 * A URL is relative to `URLBase` (UPnP Device Architecture 1.0 §2.1), without one to the description's own URL (1.1 §2.3, RFC
 * 3986 §5). Some gateways name a wrong base; some mean a path from the root of their server although it does not begin with a
 * slash.
 */
function controlUrls(control: string, base: string | undefined, location: URL): readonly URL[] {
  if (control === '') return [];
  const isRelative = !/^(?:\/|[a-z][a-z0-9+.-]*:)/i.test(control);
  const urls = [
    base === undefined ? undefined : readUrl(control, readUrl(base, location) ?? location),
    readUrl(control, location),
    isRelative ? readUrl(`/${control}`, location) : undefined,
  ].filter((url) => url !== undefined);
  return urls.filter((url, index) => urls.findIndex(({ href }) => href === url.href) === index);
}

/** UPnP has no name of a device or of its model longer than 64 characters (Device Architecture 1.1 §2.3). */
const NAME_MAX_LENGTH = 64;

/**
 * What a gateway calls itself, by its description: the name that its maker or owner has given it, and its model where the name does not say that.
 * For display: without control characters, and cut to what UPnP allows. `undefined` where it says neither. Pure.
 *
 * @example
 * routerNameIn({ root: { device: { friendlyName: 'Home', modelName: 'AC-7' } } }); // 'Home (AC-7)'
 */
export function routerNameIn(description: XmlElement): string | undefined {
  const root = elementAt(description, 'root') ?? description;
  const device = elementAt(root, 'device') ?? {};
  const nameIn = (element: string) => clean((textOf(device, element) ?? '').slice(0, NAME_MAX_LENGTH)).trim();
  const [name, model] = [nameIn('friendlyName'), nameIn('modelName')];
  if (name === '' || model === '' || name.toLowerCase().includes(model.toLowerCase()))
    return name || model || undefined;
  return `${name} (${model})`;
}
