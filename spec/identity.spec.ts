import { createHash, generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { IdentityError } from '../lib/errors.js';
import {
  createIdentity,
  isGreater,
  isPeerId,
  loadIdentity,
  loadOrCreateIdentity,
  peerIdOfKey,
  peerIdToKey,
  saveIdentity,
  verifyAside,
  verifySignature,
} from '../lib/identity.js';
import { sealingKeyOf } from '../lib/signalling/sealing-key.js';
import { temporaryFolder } from './support/folder.js';
import { peerIds } from './support/locators.js';
import { Program } from './support/program.js';
import { needsSmallDisk, smallDisks } from './support/small-disk.js';

describe('a key that proves nobody', () => {
  const ff = 'ff'.repeat(30);
  const keys = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    `01${'00'.repeat(30)}80`,
    `ec${ff}7f`,
    `ed${ff}7f`,
    `ee${ff}ff`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  ];

  it('is no peer id: of small order, or in another spelling', () => {
    for (const hex of keys) {
      const peerId = peerIdOfKey(Buffer.from(hex, 'hex'));
      expect(peerIdToKey(peerId)).withContext(hex).toBeUndefined();
      expect(isPeerId(peerId)).withContext(hex).toBeFalse();
      expect(sealingKeyOf(peerId)).withContext(hex).toBeUndefined();
    }
  });

  it('verifies no signature, although the arithmetic would', () => {
    const [key = ''] = keys.slice(1);
    const signature = Buffer.alloc(64);
    signature.writeUInt8(1);
    expect(verifySignature(peerIdOfKey(Buffer.from(key, 'hex')), Buffer.from('anything'), signature)).toBeFalse();
  });
});

describe('an identity', () => {
  const identity = createIdentity();

  it('has a new key each time one is made', () => {
    expect(createIdentity().peerId).not.toBe(identity.peerId);
  });

  it('is called by its key in 43 base64url characters, and by a node id of 40 hex digits', () => {
    const key = peerIdToKey(identity.peerId) ?? Buffer.alloc(0);
    expect(identity.peerId).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(key).toHaveSize(32);
    expect(peerIdOfKey(key)).toBe(identity.peerId);
    expect(identity.nodeId).toBe(createHash('sha256').update(key).digest('hex').slice(0, 40));
  });
});

describe('a peer id', () => {
  it('is what has a key, whatever the bytes', () => {
    const edge = fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xec, 0xed, 0xff);
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 31, maxLength: 33 }),
      fc.tuple(edge, edge, fc.constantFrom(0x00, 0xff)).map(([first, last, rest]) => {
        const key = Buffer.alloc(32, rest);
        key[0] = first;
        key[31] = last;
        return key;
      }),
    );
    const texts = fc.oneof(fc.string(), bytes.map(peerIdOfKey), fc.stringMatching(/^[A-Za-z0-9_-]{43}$/));
    fc.assert(fc.property(texts, (text) => isPeerId(text) === (peerIdToKey(text) !== undefined)));
  });
});

describe('a signature', () => {
  const [identity, other] = [createIdentity(), createIdentity()];
  const data = Buffer.from('what was said');

  it('holds for its signer, its data and nothing else', () => {
    const signature = identity.sign(data);
    expect(signature).toHaveSize(64);
    expect(verifySignature(identity.peerId, data, signature)).toBeTrue();
    expect(verifySignature(other.peerId, data, signature)).toBeFalse();
    expect(verifySignature(identity.peerId, Buffer.from('what was not said'), signature)).toBeFalse();
    for (const at of signature.keys()) {
      const damaged = Buffer.from(signature);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(verifySignature(identity.peerId, data, damaged)).toBeFalse();
    }
  });

  it('of garbage is false and no exception', () => {
    const garbage = fc.record({
      peerId: fc.oneof(peerIds, fc.string(), fc.constant(identity.peerId)),
      data: fc.uint8Array({ maxLength: 100 }),
      signature: fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ minLength: 64, maxLength: 64 })),
    });
    fc.assert(fc.property(garbage, ({ peerId, data, signature }) => !verifySignature(peerId, data, signature)));
  });

  it('is judged aside as at once', async () => {
    const key = `01${'00'.repeat(31)}`;
    const forged = Buffer.alloc(64);
    forged.writeUInt8(1);
    expect(await verifyAside(identity.peerId, data, identity.sign(data))).toBeTrue();
    expect(await verifyAside(other.peerId, data, identity.sign(data))).toBeFalse();
    expect(await verifyAside(identity.peerId, data, Buffer.alloc(64))).toBeFalse();
    expect(await verifyAside(identity.peerId, data, Buffer.alloc(63))).toBeFalse();
    expect(await verifyAside('nobody', data, identity.sign(data))).toBeFalse();
    expect(await verifyAside(peerIdOfKey(Buffer.from(key, 'hex')), data, forged)).toBeFalse();
  });
});

describe('of two peers', () => {
  it('one and only one is greater, by the bytes of its key and not by the letters of its id', () => {
    fc.assert(
      fc.property(peerIds, peerIds, (a, b) => {
        const order = Buffer.compare(Buffer.from(a, 'base64url'), Buffer.from(b, 'base64url'));
        throwUnless([isGreater(a, b), isGreater(b, a)]).toEqual([order > 0, order < 0]);
        throwUnless(isGreater(a, a)).toBeFalse();
      }),
    );
  });
});

describe('a key file', () => {
  const path = temporaryFolder();
  const identity = createIdentity();

  it('gives back the identity that was saved', () => {
    saveIdentity(identity, path('key'));
    const loaded = loadIdentity(path('key'));
    expect(loaded.peerId).toBe(identity.peerId);
    expect(loaded.nodeId).toBe(identity.nodeId);
    expect(verifySignature(identity.peerId, Buffer.from('a'), loaded.sign(Buffer.from('a')))).toBeTrue();
  });

  it('can be read by its owner only', () => {
    saveIdentity(identity, path('key'));
    expect((statSync(path('key')).mode & 0o777).toString(8)).toBe('600');
  });

  it('that others can read is refused, with what to do about it', () => {
    saveIdentity(identity, path('key'));
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(path('key'), mode);
      expect(() => loadIdentity(path('key'))).toThrowError(
        IdentityError,
        `The key file ${path('key')} can be used by other users. Run: chmod 600 ${path('key')}`,
      );
    }
  });

  it('is never written over', () => {
    saveIdentity(identity, path('key'));
    expect(() => {
      saveIdentity(createIdentity(), path('key'));
    }).toThrowError(IdentityError, /EEXIST.*must be a new file/);
    expect(loadIdentity(path('key')).peerId).toBe(identity.peerId);
  });

  it('that is missing, or holds something else, is refused by its name', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(path('rsa'), rsa, { mode: 0o600 });
    writeFileSync(path('garbage'), 'garbage', { mode: 0o600 });
    expect(() => loadIdentity(path('none'))).toThrowError(IdentityError, /none to hold a private key.*ENOENT/);
    expect(() => loadIdentity(path('garbage'))).toThrowError(IdentityError, /garbage to hold a private key/);
    expect(() => loadIdentity(path('rsa'))).toThrowError(IdentityError, /rsa to hold an Ed25519 key, got rsa/);
  });

  it('is made when it is missing and used when it is there', () => {
    const first = loadOrCreateIdentity(path('key'));
    expect(loadOrCreateIdentity(path('key')).peerId).toBe(first.peerId);
  });

  it('leaves nothing beside it', () => {
    loadOrCreateIdentity(path('key'));
    expect(() => {
      saveIdentity(createIdentity(), path('key'));
    }).toThrow();
    expect(readdirSync(path(''))).toEqual(['key']);
  });

  it('is made in spite of what a crash has left beside it', () => {
    writeFileSync(path('key.0123456789abcdef.new'), identity.privateKey.slice(0, 50), { mode: 0o600 });
    const { peerId } = loadOrCreateIdentity(path('key'));
    expect(loadOrCreateIdentity(path('key')).peerId).toBe(peerId);
  });

  it('that is empty, or holds a part of a key, is left as it is, and the error says what to do', () => {
    for (const [content, words] of [
      ['', /is empty: .* delete the file, and a new key is made/],
      [identity.privateKey.slice(0, 50), /holds none, or a part of one\. Bring the key back/],
    ] as const) {
      writeFileSync(path('key'), content, { mode: 0o600 });
      expect(() => loadOrCreateIdentity(path('key'))).toThrowError(IdentityError, words);
      expect(readFileSync(path('key'), 'utf8')).toBe(content);
    }
  });

  it('that cannot be saved or read is an IdentityError that names the cause', () => {
    writeFileSync(path('file'), '');
    mkdirSync(path('folder'));
    expect(() => loadOrCreateIdentity(path('no/key'))).toThrowError(IdentityError, /ENOENT.*a folder that exists/);
    expect(() => loadOrCreateIdentity(path('file/key'))).toThrowError(IdentityError, /ENOTDIR/);
    expect(() => loadOrCreateIdentity(path('folder'))).toThrowError(IdentityError, /EISDIR/);
    expect(() => loadOrCreateIdentity('/proc/self/key')).toThrowError(IdentityError, /\/proc\/self\/key: E[A-Z]+/);
  });

  describe('on a disk that is full', () => {
    const diskOf = smallDisks();
    beforeEach(needsSmallDisk);

    it('is not made, nor half made, the error says why, and it is made once there is room', async () => {
      const { path: at, fill, free } = await diskOf('16k');
      fill();
      expect(() => loadOrCreateIdentity(at('key'))).toThrowError(IdentityError, /ENOSPC/);
      expect(readdirSync(at(''))).toEqual(['filler']);
      free();
      const { peerId } = loadOrCreateIdentity(at('key'));
      expect(loadOrCreateIdentity(at('key')).peerId).toBe(peerId);
    });
  });

  describe('that several processes make at the same time', () => {
    const programs: Program[] = [];
    afterEach(async () => {
      for (const program of programs) program.endOfInput();
      await Promise.all(programs.splice(0).map((program) => program.exit()));
    });

    it('is the same for all of them, in forty rounds of forty', async () => {
      const script = fileURLToPath(new URL('support/key-process.js', import.meta.url));
      programs.push(...Array.from({ length: 4 }, () => new Program(script)));
      await Promise.all(programs.map((program) => program.line('ready')));
      for (let round = 1; round <= 40; round++) {
        for (const program of programs) program.type(`${path(`${round}.key`)}\n`);
        await Promise.all(programs.map((program) => program.until('an answer', ({ lines }) => lines.length > round)));
        const ids = new Set(programs.map(({ lines }) => lines[round]));
        expect([...ids]).toEqual([loadIdentity(path(`${round}.key`)).peerId]);
      }
    });
  });
});
