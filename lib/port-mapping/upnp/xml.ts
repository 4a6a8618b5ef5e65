import { XMLParser } from 'fast-xml-parser';
import { HttpError } from '../../errors.js';

// The subset of XML that UPnP documents need.

/** An element without text of its own: its children by their names, without prefixes; text where there is nothing else. */
export type XmlElement = Readonly<Record<string, unknown>>;

/**
 * The most tags in a document. The parser takes some microseconds for each, and a description that is unusually long, of 64 KiB,
 * has about 2,500.
 */
export const MAX_TAGS = 4_096;

/**
 * Reads XML. No document of UPnP has a document type, and so no entities of its own can blow it up; attributes are not
 * needed, and numbers stay text.
 *
 * @param names elements that get the names as they are spelled here, in whatever case the document has them.
 * @throws HttpError when it is none, or one with a document type, or with more tags than {@link MAX_TAGS}.
 *
 * @example
 * textOf(parseXml('<a:Answer>7</a:Answer>'), 'answer'); // '7'
 */
export function parseXml(text: string, names: readonly string[] = []): XmlElement {
  if (/<!DOCTYPE/i.test(text)) throw new HttpError('Expected plain XML, got a document type, which no gateway needs');
  if (hasManyTags(text)) throw new HttpError(`Expected XML of at most ${MAX_TAGS} tags, got more`);
  const spelling = new Map(names.map((name) => [name.toLowerCase(), name]));
  try {
    const parser = new XMLParser({
      ignoreAttributes: true,
      removeNSPrefix: true,
      parseTagValue: false,
      transformTagName: (name) => spelling.get(name.toLowerCase()) ?? name,
    });
    const document: unknown = parser.parse(text);
    if (isElement(document)) return document;
  } catch (cause) {
    throw new HttpError('Expected XML, got something else', { cause });
  }
  throw new HttpError('Expected XML, got something else');
}

/** The element at a path below another, if there is exactly one. Gateways differ in the case of names. */
export function elementAt(element: XmlElement, ...path: readonly string[]): XmlElement | undefined {
  let at: unknown = element;
  for (const name of path) at = isElement(at) ? childOf(at, name) : undefined;
  return isElement(at) ? at : undefined;
}

/** The text of a child, if there is exactly one with nothing but text in it. */
export function textOf(element: XmlElement, name: string): string | undefined {
  const child = childOf(element, name);
  return typeof child === 'string' ? child.trim() : undefined;
}

/** Whether there is such a child, or several. */
export function hasChild(element: XmlElement, name: string): boolean {
  return childOf(element, name) !== undefined;
}

function childOf(element: XmlElement, name: string): unknown {
  const lower = name.toLowerCase();
  const [first, ...others] = Object.keys(element).filter((key) => key.toLowerCase() === lower);
  if (first === undefined) return undefined;
  return others.length === 0 ? element[first] : [];
}

/** Whether something in a document is an element with children. */
export function isElement(value: unknown): value is XmlElement {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Comments and processing instructions count, too: they cost as much. */
function hasManyTags(text: string): boolean {
  let count = 0;
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at + 1)) {
    if (++count > MAX_TAGS) return true;
  }
  return false;
}
