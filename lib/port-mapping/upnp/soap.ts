import { HttpError } from '../../errors.js';
import { oneLine } from '../../words.js';
import { elementAt, hasChild, parseXml, textOf, type XmlElement } from './xml.js';

// What of SOAP UPnP needs (UPnP Device Architecture 1.1 §3.2).

/** A gateway's answer to an action: what it returned, or why it did not. */
type ActionAnswer =
  | { readonly ok: true; readonly values: XmlElement }
  | { readonly ok: false; readonly code: number; readonly words: string };

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
  if (body === undefined || !hasChild(body, name))
    throw new HttpError(`Expected the answer to ${action}, got something else`);
  return { ok: true, values: elementAt(body, name) ?? {} };
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
