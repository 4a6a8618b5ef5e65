import fc from 'fast-check';
import type { Signal } from '../../../lib/signalling/signalling.js';
import {
  askSignal,
  readAsk,
  readReply,
  replySignal,
  type RelayAsk,
  type RelayReply,
} from '../../../lib/techniques/relay/messages.js';
import { parseJsonObject } from '../../../lib/validate.js';

const TOKEN = Buffer.alloc(16, 7).toString('base64url');
const names = { url: 'http://rv.example.org:8080/', at: ['192.0.2.1:8080', '[2001:db8::1]:8080'], id: 'server' };
const ask: RelayAsk = { attempt: 'one', token: TOKEN, relays: [names] };

/** As it comes out of a sealed signal. */
function carried({ kind, body }: { readonly kind: string; readonly body: object }): Signal {
  return { kind, body: parseJsonObject(JSON.stringify(body)) ?? {} };
}

describe('what two nodes say to meet at a relay', () => {
  it('is read as it was written', () => {
    expect(readAsk(carried(askSignal(ask)))).toEqual(ask);
    const least = { ...ask, relays: [{ url: 'https://[2001:db8::1]/a/', at: [], id: undefined }] };
    expect(readAsk(carried(askSignal(least)))).toEqual(least);
    const replies: readonly RelayReply[] = [
      { attempt: 'one', token: TOKEN, relay: names.url },
      { attempt: 'one', token: TOKEN, relay: names.url, first: Buffer.from('hello, too') },
      { attempt: 'one', token: TOKEN, refusal: 'not now' },
    ];
    const begun = { ...ask, first: Buffer.from('hello') };
    expect(readAsk(carried(askSignal(begun)))).toEqual(begun);
    for (const reply of replies) expect(readReply(carried(replySignal(reply)))).toEqual(reply);
  });

  it('does not have what is said first where that is long: the relay brings it', () => {
    const [most, more] = [4_096, 4_097].map((length) => Buffer.alloc(length));
    expect(readAsk(carried(askSignal({ ...ask, first: most })))?.first).toEqual(most);
    expect(readAsk(carried(askSignal({ ...ask, first: more })))).toEqual(ask);
  });

  it('has words that a terminal may show, and addresses in their one spelling', () => {
    const reply = { attempt: 'one', token: TOKEN, refusal: 'not\u001b now' };
    expect(readReply(carried(replySignal(reply)))).toEqual({ ...reply, refusal: 'not  now' });
    const relays = [{ ...names, at: ['[2001:DB8:0::1]:80', '[::ffff:192.0.2.1]:80'] }];
    expect(readAsk(carried(askSignal({ ...ask, relays })))?.relays[0]?.at).toEqual([
      '[2001:db8::1]:80',
      '192.0.2.1:80',
    ]);
  });

  it('is none when it is malformed', () => {
    const { body } = askSignal(ask);
    const asks: readonly object[] = [
      {},
      { ...body, attempt: 'a b' },
      { ...body, attempt: 1 },
      { ...body, token: 'short' },
      { ...body, token: `${TOKEN}A` },
      { ...body, token: undefined },
      { ...body, relays: names },
      { ...body, relays: [] },
      { ...body, relays: Array.from({ length: 5 }, () => names) },
      { ...body, relays: [names, 'http://rv.example.org'] },
      { ...body, relays: [null] },
      { ...body, first: 7 },
      { ...body, first: 'a b' },
      { ...body, first: 'A'.repeat(5_463) },
      ...[
        { url: 'rv.example.org:8080' },
        { url: 'file:///etc/passwd' },
        { url: 80 },
        { url: `http://${'a'.repeat(256)}/` },
        { at: undefined },
        { at: '192.0.2.1:80' },
        { at: ['rv.example.org:80'] },
        { at: ['192.0.2.1'] },
        { at: [80] },
        { at: Array.from({ length: 5 }, () => '192.0.2.1:80') },
        { id: 7 },
        { id: '' },
        { id: 'a b' },
        { id: 'a'.repeat(33) },
      ].map((wrong) => ({ ...body, relays: [{ ...names, ...wrong }] })),
    ];
    for (const wrong of asks) {
      expect(readAsk(carried({ kind: 'relay-ask', body: wrong })))
        .withContext(JSON.stringify(wrong))
        .toBeUndefined();
    }
    expect(readAsk({ ...askSignal(ask), kind: 'punch-ask' })).toBeUndefined();
    const answer = replySignal({ attempt: 'one', token: TOKEN, relay: names.url });
    const refusal = replySignal({ attempt: 'one', token: TOKEN, refusal: 'no' });
    for (const { kind, body: right } of [answer, refusal]) {
      expect(readReply({ kind, body: right })).toBeDefined();
      for (const wrong of [{ attempt: 'a b' }, { token: 'short' }, { relay: 1, reason: 1 }]) {
        expect(readReply({ kind, body: { ...right, ...wrong } }))
          .withContext(JSON.stringify(wrong))
          .toBeUndefined();
      }
    }
    expect(readReply({ ...answer, body: { ...answer.body, first: 'a b' } })).toBeUndefined();
    expect(readReply({ ...answer, kind: 'relay-ask' })).toBeUndefined();
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('relay-ask', 'relay-answer', 'relay-refusal'),
        fc.record({
          attempt: fc.oneof(fc.constant('one'), fc.jsonValue()),
          token: fc.oneof(fc.constant(TOKEN), fc.jsonValue()),
          relays: fc.oneof(fc.array(fc.oneof(fc.constant(names), fc.object(), fc.jsonValue())), fc.jsonValue()),
          relay: fc.jsonValue(),
          first: fc.oneof(fc.base64String(), fc.jsonValue()),
          reason: fc.jsonValue(),
        }),
        (kind, body) => {
          readAsk({ kind, body });
          readReply({ kind, body });
        },
      ),
    );
  });
});
