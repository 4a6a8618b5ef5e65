import fc from 'fast-check';
import { HttpError } from '../../../lib/errors.js';
import { formatAction, parseAction } from '../../../lib/port-mapping/upnp/soap.js';
import { elementAt, MAX_TAGS, parseXml, textOf } from '../../../lib/port-mapping/upnp/xml.js';
import { thrownBy } from '../../support/thrown.js';

const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1';

/** An answer to an action as gateways write it. */
function answerOf(body: string, prefix = 's:'): string {
  return (
    `<?xml version="1.0"?><${prefix}Envelope xmlns:${prefix.slice(0, -1) || 'x'}="http://schemas.xmlsoap.org/soap/envelope/" ` +
    `${prefix}encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><${prefix}Body>${body}</${prefix}Body></${prefix}Envelope>`
  );
}

function faultOf(error: string): string {
  return answerOf(
    '<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>' +
      `<UPnPError xmlns="urn:schemas-upnp-org:control-1-0">${error}</UPnPError></detail></s:Fault>`,
  );
}

/** Fails the spec for anything that is thrown but an HttpError. */
function throwsNothingElse(action: () => unknown): boolean {
  try {
    action();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
  }
  return true;
}

describe('the call of an action', () => {
  it('is written as UPnP Device Architecture 1.1 §3.2.1 shows it, with its arguments in their order', () => {
    const call = formatAction(SERVICE, 'AddPortMapping', { NewRemoteHost: '', NewExternalPort: 50500, NewEnabled: 1 });
    expect(call).toBe(
      '<?xml version="1.0"?>' +
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
        `<s:Body><u:AddPortMapping xmlns:u="${SERVICE}">` +
        '<NewRemoteHost></NewRemoteHost><NewExternalPort>50500</NewExternalPort><NewEnabled>1</NewEnabled>' +
        '</u:AddPortMapping></s:Body></s:Envelope>',
    );
  });

  it('carries any values', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
        const call = parseXml(formatAction(SERVICE, 'Do', { Value: text }));
        const values = elementAt(call, 'Envelope', 'Body', 'Do');
        expect(values && textOf(values, 'Value')).toBe(text.trim());
      }),
    );
  });
});

describe('the answer to an action', () => {
  it('holds what it returned', () => {
    const text = answerOf(
      `<u:GetExternalIPAddressResponse xmlns:u="${SERVICE}"><NewExternalIPAddress> 198.51.100.7\r\n</NewExternalIPAddress></u:GetExternalIPAddressResponse>`,
    );
    const answer = parseAction('GetExternalIPAddress', text);
    expect(answer.ok && textOf(answer.values, 'NewExternalIPAddress')).toBe('198.51.100.7');
  });

  it('is read with any prefixes, or with none', () => {
    for (const prefix of ['s:', 'SOAP-ENV:', 'soap:', '']) {
      const text = answerOf('<m:AddResponse xmlns:m="x"><m:New>7</m:New></m:AddResponse>', prefix);
      const answer = parseAction('Add', text);
      expect(answer.ok && textOf(answer.values, 'New'))
        .withContext(prefix)
        .toBe('7');
    }
  });

  it('may return nothing, in each of the ways to write that', () => {
    for (const body of [
      '<u:AddResponse xmlns:u="x"/>',
      '<u:AddResponse></u:AddResponse>',
      '<AddResponse> </AddResponse>',
    ]) {
      expect(parseAction('Add', answerOf(body))).toEqual({ ok: true, values: {} });
    }
  });

  it('keeps numbers as they are written', () => {
    const huge = '9'.repeat(400);
    for (const number of [huge, '007', '0x10', '1e999', '-1', ' 12 ']) {
      const answer = parseAction('Add', answerOf(`<AddResponse><New>${number}</New></AddResponse>`));
      expect(answer.ok && textOf(answer.values, 'New')).toBe(number.trim());
    }
  });

  it('that refuses holds the gateway’s code and words', () => {
    const text = faultOf('<errorCode>718</errorCode><errorDescription>ConflictInMappingEntry</errorDescription>');
    expect(parseAction('AddPortMapping', text)).toEqual({ ok: false, code: 718, words: 'ConflictInMappingEntry' });
  });

  it('that refuses without a proper code or words is a refusal all the same', () => {
    for (const code of [
      '',
      '<errorCode/>',
      '<errorCode>no</errorCode>',
      '<errorCode>7.5</errorCode>',
      '<errorCode>1e999</errorCode>',
    ]) {
      expect(parseAction('Add', faultOf(`${code}<x/>`)))
        .withContext(code)
        .toEqual({ ok: false, code: 0, words: 'no words' });
    }
  });

  it('is none when it answers another action, or nothing', () => {
    for (const text of [
      answerOf('<u:DeletePortMappingResponse xmlns:u="x"/>'),
      answerOf(''),
      answerOf('text'),
      answerOf('<s:Fault><faultcode>s:Client</faultcode></s:Fault>'),
      '<Envelope/>',
      '<html><body>404 Not Found</body></html>',
      '',
      ' ',
      'garbage',
      '{"json":true}',
    ]) {
      expect(thrownBy(() => parseAction('AddPortMapping', text)))
        .withContext(text)
        .toBeInstanceOf(HttpError);
    }
  });

  it('ignores an element that comes twice', () => {
    const answer = parseAction('Add', answerOf('<AddResponse><New>1</New><New>2</New></AddResponse>'));
    expect(answer.ok && textOf(answer.values, 'New')).toBeUndefined();
  });
});

describe('XML of a gateway', () => {
  it('is refused with a document type, however it is written: a bomb needs one', () => {
    const bomb =
      '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">' +
      Array.from({ length: 9 }, (_, index) => `<!ENTITY l${index} "${`&l${index - 1};`.repeat(10)}">`).join('') +
      ']><root>&l8;</root>';
    for (const text of [
      bomb,
      bomb.replace('DOCTYPE', 'doctype'),
      '<!DOCTYPE root SYSTEM "file:///etc/passwd"><root/>',
      '<root/><!DOCTYPE root>',
    ]) {
      expect(thrownBy(() => parseXml(text))).toBeInstanceOf(HttpError);
    }
  });

  it('is refused with more tags than a gateway can need, before it costs anything to read them', () => {
    for (const tags of ['<a/>', '<a>x</a>', '<a>', '</a>', '<!---->', '<?a?>', '<![CDATA[]]>', '<']) {
      const most = MAX_TAGS - 2;
      const inOne = tags.match(/</g)?.length ?? 0;
      const many = tags.repeat(Math.floor(most / inOne) + 1);
      expect(thrownBy(() => parseXml(`<root>${many}</root>`)))
        .withContext(tags)
        .toEqual(jasmine.objectContaining({ code: 'HTTP', message: jasmine.stringContaining('tags') }));
    }
    expect(parseXml(`<root>${'<a/>'.repeat(MAX_TAGS - 2)}</root>`)).toEqual({ root: jasmine.anything() });
  });

  it('is read whatever the case of its names is, and with the spelling that is asked for', () => {
    const document = parseXml('<d:ROOT><D:Device><A>1</A><B>1</B><b>2</b></D:Device></d:ROOT>', ['root', 'deVice']);
    expect(Object.keys(document)).toEqual(['root']);
    const device = elementAt(document, 'Root', 'DEVICE');
    expect(device && textOf(device, 'a')).toBe('1');
    expect(device && textOf(device, 'b')).toBeUndefined();
    expect(Object.keys(elementAt(document, 'root') ?? {})).toEqual(['deVice']);
  });

  it('never expands references', () => {
    const text = `<root><a>${'&lt;&amp;&unknown;&#65;'.repeat(1000)}</a></root>`;
    const root = elementAt(parseXml(text), 'root');
    expect(root && textOf(root, 'a')?.length).toBeLessThanOrEqual(text.length);
  });

  it('may be nested as deeply as there is room for', () => {
    for (const depth of [100, 1_000, 30_000]) {
      const text = `<root>${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}</root>`;
      expect(throwsNothingElse(() => parseXml(text))).toBeTrue();
      expect(throwsNothingElse(() => parseXml(`<root>${'<a>'.repeat(depth)}`))).toBeTrue();
    }
  });

  it('cannot reach Object.prototype', () => {
    for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
      const text = `<root><${name}><polluted>yes</polluted></${name}></root>`;
      expect(throwsNothingElse(() => parseXml(text))).toBeTrue();
      expect(
        throwsNothingElse(() => parseAction('Add', answerOf(`<${name}><polluted>1</polluted></${name}>`))),
      ).toBeTrue();
      expect('polluted' in {})
        .withContext(name)
        .toBeFalse();
      expect('polluted' in Object)
        .withContext(name)
        .toBeFalse();
    }
  });

  it('is no answer for names of Object.prototype', () => {
    for (const action of ['', 'x']) {
      expect(thrownBy(() => parseAction(action, answerOf('<constructor/>')))).toBeInstanceOf(HttpError);
    }
    const root = elementAt(parseXml('<root><a>1</a></root>'), 'root');
    for (const name of ['constructor', 'toString', '__proto__']) {
      expect(root && textOf(root, name)).toBeUndefined();
      expect(root && elementAt(root, name, 'x')).toBeUndefined();
    }
  });

  it('is XML or an HttpError, whatever the text is', () => {
    const crumbs = fc
      .array(
        fc.constantFrom(
          '<',
          '>',
          '</',
          '/>',
          'a',
          '__proto__',
          '<a>',
          '</a>',
          '<!--',
          '-->',
          '<![CDATA[',
          ']]>',
          '<?',
          '?>',
          '&',
          ';',
          '=',
          '"',
          ' ',
        ),
        { maxLength: 40 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          crumbs,
          crumbs.map((text) => answerOf(text)),
        ),
        (text) => throwsNothingElse(() => parseAction('Add', text)),
      ),
      { numRuns: 1_000 },
    );
  });
});
