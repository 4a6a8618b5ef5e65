import { XMLParser } from 'fast-xml-parser';
import { HttpError } from '../errors.js';
import { oneLine } from '../words.js';

// What of XML and SOAP UPnP needs (UPnP Device Architecture 1.1, §2.3 and §3.2).

/** An element without text of its own: its children by their names, without prefixes; text where there is nothing else. */
export type XmlElement = Readonly<Record<string, unknown>>;

/** A gateway's answer to an action: what it returned, or why it did not. */
export type ActionAnswer =
  | { readonly ok: true; readonly values: XmlElement }
  | { readonly ok: false; readonly code: number; readonly words: string };

/**
 * Reads XML. No document of UPnP has a document type, and so no entities of its own can blow it up; attributes are not
 * needed, and numbers stay text.
 *
 * @throws HttpError when it is none, or one with a document type.
 */
export function parseXml(text: string): XmlElement {
  if (/<!DOCTYPE/i.test(text)) throw new HttpError('Expected plain XML, got a document type, which no gateway needs');
  try {
    const parser = new XMLParser({ ignoreAttributes: true, removeNSPrefix: true, parseTagValue: false });
    const document: unknown = parser.parse(text);
    if (isElement(document)) return document;
  } catch (cause) {
    throw new HttpError('Expected XML, got something else', { cause });
  }
  throw new HttpError('Expected XML, got something else');
}

/** The element at a path below another, if there is exactly one. */
export function elementAt(element: XmlElement, ...path: readonly string[]): XmlElement | undefined {
  let at: unknown = element;
  for (const name of path) at = isElement(at) ? at[name] : undefined;
  return isElement(at) ? at : undefined;
}

/** The text of a child, if there is exactly one with nothing but text in it. */
export function textOf(element: XmlElement, name: string): string | undefined {
  const child = element[name];
  return typeof child === 'string' ? child.trim() : undefined;
}

/** Writes the call of an action. Arguments are in the order in which the service names them, since some gateways insist. */
export function formatAction(
  service: string,
  action: string,
  values: Readonly<Record<string, string | number>>,
): string {
  const body = Object.entries(values).map(([name, value]) => `<${name}>${escape(String(value))}</${name}>`);
  return (
    '<?xml version="1.0"?>' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
    `<s:Body><u:${action} xmlns:u="${service}">${body.join('')}</u:${action}></s:Body></s:Envelope>`
  );
}

/**
 * Reads the answer to an action.
 *
 * @throws HttpError when it is none.
 */
export function parseAction(action: string, text: string): ActionAnswer {
  const document = parseXml(text);
  const body = elementAt(document, 'Envelope', 'Body');
  const fault = body && elementAt(body, 'Fault', 'detail', 'UPnPError');
  if (fault !== undefined) {
    const code = Number(textOf(fault, 'errorCode'));
    return {
      ok: false,
      code: Number.isInteger(code) ? code : 0,
      words: oneLine(textOf(fault, 'errorDescription') ?? 'no words'),
    };
  }
  const name = `${action}Response`;
  if (body === undefined || !(name in body))
    throw new HttpError(`Expected the answer to ${action}, got something else`);
  return { ok: true, values: elementAt(body, name) ?? {} };
}

function isElement(value: unknown): value is XmlElement {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
