import { once } from 'node:events';
import { createServer } from 'node:http';
import fc from 'fast-check';
import { firstValueFrom } from 'rxjs';
import * as errors from '../lib/errors.js';
import { parseAction } from '../lib/port-mapping/upnp/soap.js';
import { decodeEnd } from '../lib/link/handshake.js';
import { look$ } from '../lib/reachability.js';
import { systemRuntime } from '../lib/runtime.js';
import { decodeRefusal as decodeRelayRefusal } from '../lib/techniques/relay/protocol.js';
import { parseReply } from '../lib/rendezvous/messages.js';
import { parseSessionReply } from '../lib/signalling/carriers/mailbox-lines.js';
import { decodeRefusal as decodeMailboxRefusal } from '../lib/signalling/carriers/mailbox-messages.js';
import { readAnswer } from '../lib/techniques/punch/messages.js';
import { readReply } from '../lib/techniques/relay/messages.js';
import { show } from '../lib/validate.js';
import { clean, cleanLine, oneLine } from '../lib/words.js';
import { addressOf, failureOf, Lab } from './support/nodes.js';
import { anyText } from './support/any-text.js';

/** What a terminal obeys or is misled by: colours, the clipboard (OSC 52), the title, C1, bidi overrides, line breaks, half a character. */
const HARMFUL = [
  '\u001b[2J',
  '\u001b]52;c;cm0gLXJmIH4=\u0007',
  '\u001b]0;title\u001b\\',
  '\u009b31m',
  '\u009d0;title\u009c',
  '\u202eexe.txt',
  '\u2066hidden\u2069',
  '\u200bjoined',
  '\u2028next',
  '\r\nnext',
  '\u0000\u007f',
  '\ud800',
];

const isClean = (text: string) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text);

describe('text from others', () => {
  it('loses every character that controls a terminal, or that hides or reorders text, and nothing else', () => {
    for (const harm of HARMFUL) {
      expect(isClean(clean(`a${harm}z`)))
        .withContext(JSON.stringify(harm))
        .toBeTrue();
      expect(clean(`a${harm}z`)).toHaveSize(harm.length + 2);
    }
    expect(clean('Zürich, 東京 😀 …')).toBe('Zürich, 東京 😀 …');
    fc.assert(fc.property(anyText(), (text) => isClean(clean(text)) && isClean(oneLine(text))));
  });

  it('is cut to a readable length, and never in the middle of a character', () => {
    expect(oneLine('x'.repeat(1000))).toHaveSize(256);
    expect(isClean(oneLine(`${'x'.repeat(255)}😀`))).toBeTrue();
  });

  it('keeps tabs and joined characters in a line of the application', () => {
    expect(cleanLine('a\tb 👩\u200d🚀 می\u200cخواهم')).toBe('a\tb 👩\u200d🚀 می\u200cخواهم');
    expect(cleanLine('a\u001b]0;x\u0007\u202e')).toBe('a ]0;x  ');
  });
});

describe('decoded text of a peer, a server or a gateway is clean in', () => {
  const lab = new Lab();
  afterEach(() => lab.close());

  const [attempt, token] = ['attempt', Buffer.alloc(16).toString('base64url')];
  const refusal = (harm: string) => JSON.stringify({ refused: 'malformed', words: `no ${harm}`, now: 1 });
  const decoders: Readonly<Record<string, (harm: string) => string | undefined>> = {
    'the end of a connection': (harm) =>
      decodeEnd(Buffer.from(JSON.stringify({ code: 'lost', message: `bye ${harm}` }))).message,
    'the code of the end': (harm) => decodeEnd(Buffer.from(JSON.stringify({ code: harm, message: 'bye' }))).code,
    'a rendezvous refusal': (harm) => {
      const reply = parseReply(`REFUSED closing ${harm}`);
      return reply?.verb === 'REFUSED' ? reply.words : undefined;
    },
    'the end of a session with a mailbox': (harm) => {
      const reply = parseSessionReply(`REFUSED closing ${harm}`);
      return reply?.verb === 'REFUSED' ? reply.words : undefined;
    },
    'a message that a mailbox declines': (harm) => {
      const reply = parseSessionReply(`DECLINED id too-often ${harm}`);
      return reply?.verb === 'DECLINED' ? reply.words : undefined;
    },
    'a mailbox refusal': (harm) => decodeMailboxRefusal(refusal(harm))?.words,
    'a relay refusal': (harm) => decodeRelayRefusal(refusal(harm))?.words,
    "a punch's refusal": (harm) => {
      const answer = readAnswer({ kind: 'punch-answer', body: { attempt, round: 0, refusal: harm } });
      return answer !== undefined && 'refusal' in answer ? answer.refusal : undefined;
    },
    "a relay meeting's refusal": (harm) => {
      const reply = readReply({ kind: 'relay-refusal', body: { attempt, token, reason: harm } });
      return reply !== undefined && 'refusal' in reply ? reply.refusal : undefined;
    },
    "a gateway's fault": (harm) => {
      const answer = parseAction('X', soapFault(harm));
      return answer.ok ? undefined : answer.words;
    },
    'a value that a message shows': (harm) => show(harm),
    'the reason of what was thrown': (harm) => errors.reasonOf(new AggregateError([new Error(harm), harm])),
  };
  for (const [name, decode] of Object.entries(decoders)) {
    it(name, () => {
      for (const harm of HARMFUL) {
        const words = decode(harm);
        expect(words).withContext(JSON.stringify(harm)).toBeDefined();
        expect(isClean(words ?? ''))
          .withContext(`${JSON.stringify(harm)} gave ${JSON.stringify(words)}`)
          .toBeTrue();
      }
    });
  }

  it('every error of the library, whatever it quotes', () => {
    const harm = HARMFUL.join(' ');
    const made = [
      new errors.HttpError(harm),
      new errors.RendezvousError(harm),
      new errors.PortMappingError(harm),
      new errors.DialError(harm),
      new errors.ConnectError('them', [{ technique: 'relay', reason: harm, elapsedMs: 1, error: undefined }]),
    ];
    for (const { message } of made) expect(isClean(message)).withContext(message).toBeTrue();
  });

  it('an answer of a server that dials back', async () => {
    const harm = HARMFUL.join(' ');
    const server = createServer((request, response) => {
      if (request.url?.includes('port=1&') === true) response.writeHead(503).end(harm);
      else response.end(JSON.stringify({ address: '127.0.0.1', reachable: false, reason: harm }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const url = new URL(`http://127.0.0.1:${addressOf(server).port}/`);
    const question = {
      server: url,
      peerId: 'x',
      family: 4,
      localAddress: undefined,
      withinMs: 10_000,
      ...systemRuntime,
    } as const;
    const { reason } = await firstValueFrom(look$({ ...question, port: 2 }));
    expect(reason).toContain('next');
    expect(isClean(reason ?? '')).toBeTrue();
    const refused = errors.reasonOf(await failureOf(look$({ ...question, port: 1 })));
    expect(refused).toContain('next');
    expect(isClean(refused)).toBeTrue();
  });
});

function soapFault(description: string): string {
  const fault = `<UPnPError><errorCode>501</errorCode><errorDescription>no ${description}</errorDescription></UPnPError>`;
  return `<Envelope><Body><Fault><detail>${fault}</detail></Fault></Body></Envelope>`;
}
