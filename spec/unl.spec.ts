import fc from 'fast-check';
import { InvalidUnlError } from '../lib/errors.js';
import { formatUnl, parseUnl, peerNameOf, UNL_MAX_LENGTH } from '../lib/unl.js';
import type { Unl } from '../lib/unl/types.js';
import {
  peerIdOf,
  REQUIRED_FIELDS,
  sealBody,
  sealVersion2,
  sealVersion3,
  unlOf,
  unlOfVersion2,
  unlsOfVersion2,
  unlsOfVersion3,
  type RawField,
} from './support/locators.js';
import { callWith, thrownBy } from './support/thrown.js';
import { anyText } from './support/any-text.js';

/** Made by PyP2P. */
const PYP2P_EXAMPLE = 'AgAAAAAAAAAAAAAAAAAAAAAAAAAAc2dtnK0BLS0tAgABCqhfKnY=';

/** One of each version, the same in every run, for exhaustive damage. */
const EXAMPLES: readonly (readonly [name: string, text: string])[] = [
  ['version 2', PYP2P_EXAMPLE],
  [
    'version 3',
    formatUnl(
      unlOf({
        natType: { type: 'delta', delta: -2 },
        endpoints: [
          { kind: 'lan', address: '10.1.0.2', port: 44444 },
          { kind: 'wan', address: '2001:db8::1', port: 44444 },
        ],
        rendezvous: [{ host: 'rv.example.org', port: 8000 }],
        extensions: [{ tag: 200, value: 'aGk' }],
      }),
    ),
  ],
];

/** Either the one value that the text spells, or the one error that may be thrown. */
function expectExactOrInvalid(text: string): void {
  let unl: Unl;
  try {
    unl = parseUnl(text);
  } catch (error) {
    throwUnless(error).toBeInstanceOf(InvalidUnlError);
    return;
  }
  throwUnless(formatUnl(unl)).toBe(text.trim());
}

/** Those of the texts that are not refused as they should be: quicker than an expectation for each. */
function acceptedOf(texts: Iterable<string>): string[] {
  return Array.from(texts).filter((text) => {
    try {
      parseUnl(text);
      return true;
    } catch (error) {
      return !(error instanceof InvalidUnlError);
    }
  });
}

function expectInvalid(text: string, message = /./): void {
  expect(() => parseUnl(text)).toThrowError(InvalidUnlError, message);
}

describe('a UNL', () => {
  it('of version 3 is read as it was written', () => {
    fc.assert(
      fc.property(unlsOfVersion3, (unl) => {
        const text = formatUnl(unl);
        throwUnless(parseUnl(text)).toEqual(unl);
        throwUnless(formatUnl(parseUnl(text))).toBe(text);
        throwUnless(text).toMatch(/^[A-Za-z0-9_-]{1,512}$/);
      }),
    );
  });

  it('of version 2 is read as it was written', () => {
    fc.assert(
      fc.property(unlsOfVersion2, (unl) => {
        const text = formatUnl(unl);
        throwUnless(parseUnl(text)).toEqual(unl);
        throwUnless(formatUnl(parseUnl(text))).toBe(text);
      }),
    );
  });

  it('holds the greatest deltas that its bytes can', () => {
    for (const delta of [-32768, -1, 1, 32767]) {
      const unl = unlOf({ natType: { type: 'delta', delta } });
      expect(parseUnl(formatUnl(unl))).toEqual(unl);
    }
  });

  it('that PyP2P made is read', () => {
    expect(parseUnl(PYP2P_EXAMPLE)).toEqual({
      version: 2,
      nodeId: '0'.repeat(40),
      nodeType: 'simultaneous',
      natType: 'preserving',
      forwarding: 'manual',
      port: 44444,
      wan: '45.45.45.1',
      lan: '10.1.0.2',
    });
  });

  it('is read with white space around it, since people paste it', () => {
    for (const [, text] of EXAMPLES) expect(parseUnl(` \t${text}\r\n`)).toEqual(parseUnl(text));
  });

  it('names its owner: by key, or by node id in version 2', () => {
    expect(peerNameOf(unlOf({ peerId: peerIdOf(9) }))).toBe(peerIdOf(9));
    expect(peerNameOf(parseUnl(PYP2P_EXAMPLE))).toBe('0'.repeat(40));
  });

  it('keeps fields of a newer version that may be ignored, in the order of their tags', () => {
    const extensions = [
      { tag: 255, value: '' },
      { tag: 140, value: 'AAEC' },
    ];
    const text = formatUnl(unlOf({ extensions }));
    expect(parseUnl(text)).toEqual(unlOf({ extensions: extensions.toReversed() }));
    expect(formatUnl(parseUnl(text))).toBe(text);
  });

  it('with a field that must be understood, and is not, says that the program is too old', () => {
    for (let tag = 6; tag < 128; tag++) {
      expectInvalid(sealVersion3([...REQUIRED_FIELDS, [tag, Buffer.of(1)]]), new RegExp(`tag ${tag}\\): update rxp2p`));
    }
  });

  it('of another version says which it is', () => {
    for (const version of [0, 1, 4, 255]) {
      expectInvalid(
        Buffer.of(version, 1, 2).toString('base64url'),
        new RegExp(`version 2 or 3, got version ${version}:`),
      );
    }
  });

  it('is at most 512 characters long, written or read', () => {
    const fit = unlOf({ extensions: [{ tag: 140, value: Buffer.alloc(255).toString('base64url') }] });
    const padded = (bytes: number) =>
      unlOf({ extensions: [...fit.extensions, { tag: 141, value: Buffer.alloc(bytes).toString('base64url') }] });
    expect(formatUnl(padded(80))).toHaveSize(UNL_MAX_LENGTH);
    expect(parseUnl(formatUnl(padded(80)))).toEqual(padded(80));
    expect(() => formatUnl(padded(81))).toThrowError(InvalidUnlError, /at most 512 characters, got 514.*leave out/);
    expectInvalid('A'.repeat(513), /at most 512 characters, got 513/);
    expectInvalid(' \n', /an empty text/);
  });
});

describe('damage to a UNL', () => {
  for (const [name, text] of EXAMPLES) {
    describe(`of ${name}`, () => {
      const places = Array.from(text, (_, at) => ({ before: text.slice(0, at), at, behind: text.slice(at) }));

      it('of any one character is noticed', () => {
        const others = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n\0é€');
        const damaged = places.flatMap(({ before, behind }) =>
          others.filter((other) => !behind.startsWith(other)).map((other) => before + other + behind.slice(1)),
        );
        expect(acceptedOf(damaged)).toEqual([]);
      });

      it('by a character too many or too few is noticed, wherever it is', () => {
        const shorter = places.map(({ before, behind }) => before + behind.slice(1));
        const longer = places.flatMap(({ before, behind }) =>
          ['A', '_', '=', '\0'].map((extra) => before + extra + behind),
        );
        const torn = places.slice(1).map(({ before, behind }) => `${before} ${behind}`);
        expect(acceptedOf([...shorter, ...longer, ...torn])).toEqual([]);
      });

      it('by cutting it off, in front or behind, is noticed at each length', () => {
        const cut = places.flatMap(({ before, behind, at }) => (at === 0 ? [before] : [before, behind]));
        expect(acceptedOf(cut)).toEqual([]);
      });
    });
  }

  it('is noticed in random text and random bytes', () => {
    const anything = fc.oneof(
      anyText(600),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('base64')),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from([3, ...bytes]).toString('base64url')),
    );
    fc.assert(fc.property(anything, (text) => acceptedOf([text]).length === 0));
  });

  it('is noticed in what is no text', () => {
    for (const value of [undefined, null, 42, {}, Buffer.from(PYP2P_EXAMPLE)]) {
      expect(thrownBy(() => callWith(parseUnl, value))).toBeInstanceOf(InvalidUnlError);
    }
  });
});

describe('a UNL whose checksum is right', () => {
  it('has one spelling: whatever is read is written the same', () => {
    const key: fc.Arbitrary<RawField> = fc.constant([1, Buffer.alloc(32, 7)]);
    const field = (tag: fc.Arbitrary<number>, lengths: readonly number[]): fc.Arbitrary<RawField> =>
      fc
        .tuple(
          tag,
          fc.constantFrom(...lengths).chain((length) =>
            // Small numbers are the ones that mean something.
            fc.array(fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 255 })), {
              minLength: length,
              maxLength: length,
            }),
          ),
        )
        .map(([number, bytes]) => [number, Buffer.from(bytes)]);
    const secured: fc.Arbitrary<RawField> = fc.oneof(
      fc
        .constantFrom('a.example/', 'a.example:80/', 'A.example/', 'a.example', '')
        .map((text): RawField => [131, Buffer.from(text)]),
      fc
        .constantFrom('a', '')
        .map((host): RawField => [130, Buffer.concat([Buffer.alloc(32, 7), Buffer.of(0, 80), Buffer.from(host)])]),
    );
    const fields = fc.tuple(
      key,
      field(fc.constant(2), [1, 1, 1, 2]),
      field(fc.constant(3), [1, 1, 3]),
      fc.array(field(fc.constantFrom(1, 2, 4, 4, 4, 5), [0, 7, 19]), { maxLength: 2 }),
      fc.array(fc.oneof(field(fc.constantFrom(140, 255), [0, 3]), secured), { maxLength: 2 }),
    );
    fc.assert(
      fc.property(fields, fc.boolean(), ([one, two, three, some, others], isSorted) => {
        const all = [one, two, three, ...some, ...others];
        expectExactOrInvalid(sealVersion3(isSorted ? all.toSorted(([a], [b]) => a - b) : all));
      }),
      { numRuns: 1000 },
    );
  });

  it('of version 2 has one spelling, too', () => {
    const body = fc
      .tuple(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.uint8Array({ minLength: 10, maxLength: 10 }))
      .chain(([before, behind]) =>
        fc
          .tuple(
            fc.constantFrom('p', 'a', 's', 'x'),
            fc.constantFrom('m', 'g', 'e', 'a', 'n', 'x'),
            fc.constantFrom('f', 'm', 'U', 'N', 'x'),
          )
          .map((letters) => Buffer.concat([before, Buffer.from(letters.join('')), behind])),
      );
    fc.assert(
      fc.property(body, (bytes) => {
        expectExactOrInvalid(sealVersion2(bytes));
      }),
    );
  });

  it('may not be written in the alphabet of the other version', () => {
    const text = EXAMPLES.map(([, example]) => example);
    const dashed = formatUnl(unlOf({ peerId: Buffer.alloc(32, 0xfb).toString('base64url') }));
    expect(dashed).toMatch(/[-_]/);
    expectInvalid(Buffer.from(dashed, 'base64url').toString('base64'));
    expectInvalid(Buffer.from(text[0] ?? '', 'base64').toString('base64url'));
  });

  for (const [what, fields] of [
    ['no key', REQUIRED_FIELDS.slice(1)],
    ['two keys', [...REQUIRED_FIELDS.slice(0, 1), ...REQUIRED_FIELDS]],
    ['a short key', [[1, Buffer.alloc(31)], ...REQUIRED_FIELDS.slice(1)]],
    ['no node type', [...REQUIRED_FIELDS.slice(0, 1), ...REQUIRED_FIELDS.slice(2)]],
    ['an unknown node type', [...REQUIRED_FIELDS.slice(0, 1), [2, Buffer.of(3)], ...REQUIRED_FIELDS.slice(2)]],
    ['an unknown NAT type', [...REQUIRED_FIELDS.slice(0, 2), [3, Buffer.of(6)]]],
    ['a delta of 0', [...REQUIRED_FIELDS.slice(0, 2), [3, Buffer.of(4, 0, 0)]]],
    ['a delta where there is none', [...REQUIRED_FIELDS.slice(0, 2), [3, Buffer.of(1, 0, 1)]]],
    ['an endpoint of no known kind', [...REQUIRED_FIELDS, [4, Buffer.of(3, 0, 80, 127, 0, 0, 1)]]],
    ['an endpoint with port 0', [...REQUIRED_FIELDS, [4, Buffer.of(0, 0, 0, 127, 0, 0, 1)]]],
    ['half an endpoint', [...REQUIRED_FIELDS, [4, Buffer.of(0, 0, 80, 127)]]],
    ['a server without a name', [...REQUIRED_FIELDS, [5, Buffer.of(0, 80)]]],
    ['a server with a space in its name', [...REQUIRED_FIELDS, [5, Buffer.of(0, 80, 0x61, 0x20)]]],
    ['fields out of order', REQUIRED_FIELDS.toReversed()],
    ['a tag of 0', [[0, Buffer.of()], ...REQUIRED_FIELDS]],
  ] satisfies readonly (readonly [string, readonly RawField[]])[]) {
    it(`is refused all the same with ${what}`, () => {
      expectInvalid(sealVersion3(fields));
    });
  }

  it('is refused when a field is longer than what is there, however little is missing', () => {
    const whole = Buffer.from(sealVersion3([...REQUIRED_FIELDS, [200, Buffer.alloc(4)]]), 'base64url').subarray(1, -4);
    expect(parseUnl(sealBody(whole))).toBeDefined();
    for (let missing = 1; missing < 6; missing++) {
      expectInvalid(sealBody(whole.subarray(0, -missing)), /A field of the UNL is cut off/);
    }
    expectInvalid(sealBody(Buffer.of()), /Expected one key in the UNL, got 0/);
  });

  it('is refused when an IPv4 address is written as IPv6', () => {
    const mapped = Buffer.from('00000000000000000000ffff7f000001', 'hex');
    expectInvalid(
      sealVersion3([...REQUIRED_FIELDS, [4, Buffer.of(0, 0, 80, ...mapped)]]),
      /IPv4 address written as IPv6/,
    );
  });
});

describe('a value that no UNL can hold', () => {
  const endpoint = { kind: 'lan', address: '10.0.0.1', port: 1 } as const;
  for (const [what, unl] of [
    ['a peer id that is no key', unlOf({ peerId: 'me' })],
    ['a peer id for which anybody can sign', unlOf({ peerId: peerIdOf(0) })],
    ['port 0', unlOf({ endpoints: [{ ...endpoint, port: 0 }] })],
    ['port 65536', unlOf({ endpoints: [{ ...endpoint, port: 65536 }] })],
    ['a host name for an address', unlOf({ endpoints: [{ ...endpoint, address: 'localhost' }] })],
    ['an address in another spelling', unlOf({ endpoints: [{ ...endpoint, address: '2001:DB8::1' }] })],
    ['a server without a name', unlOf({ rendezvous: [{ host: '', port: 1 }] })],
    ['a server with port 0', unlOf({ rendezvous: [{ host: 'a', port: 0 }] })],
    ['a server with a key that is none', unlOf({ rendezvous: [{ host: 'a', port: 1, key: 'me' }] })],
    ['a server by WebSocket without a slash', unlOf({ rendezvous: [{ host: 'a', port: 443, url: 'wss://a/b' }] })],
    ['a server by WebSocket of HTTP', unlOf({ rendezvous: [{ host: 'a', port: 443, url: 'https://a/' }] })],
    [
      'a server by a long WebSocket',
      unlOf({ rendezvous: [{ host: 'a', port: 443, url: `wss://a/${'b'.repeat(255)}/` }] }),
    ],
    ['a delta of 0', unlOf({ natType: { type: 'delta', delta: 0 } })],
    ['half a delta', unlOf({ natType: { type: 'delta', delta: 0.5 } })],
    ['a delta above its bounds', unlOf({ natType: { type: 'delta', delta: 32768 } })],
    ['a delta below its bounds', unlOf({ natType: { type: 'delta', delta: -32769 } })],
    ['an extension with the tag of a required field', unlOf({ extensions: [{ tag: 127, value: '' }] })],
    ['an extension in other letters than base64url', unlOf({ extensions: [{ tag: 140, value: '+/' }] })],
    ['an extension of 256 bytes', unlOf({ extensions: [{ tag: 140, value: 'A'.repeat(342) }] })],
    ['a node id in capitals', unlOfVersion2({ nodeId: 'A'.repeat(40) })],
    ['a version 2 port out of bounds', unlOfVersion2({ port: 65536 })],
    ['a version 2 address of IPv6', unlOfVersion2({ wan: '2001:db8::1' })],
  ] satisfies readonly (readonly [string, Unl])[]) {
    it(`is refused when it is written: ${what}`, () => {
      expect(() => formatUnl(unl)).toThrowError(InvalidUnlError);
    });
  }
});
