import {
  Cpace,
  generatorOf,
  generatorString,
  multiplied,
  withLength,
  type CpaceInputs,
} from '../../lib/pairing/cpace.js';

// The vectors are those of draft-irtf-cfrg-cpace-21, appendix B.3, as they are in testvectors.json of the draft's own repository
// (https://github.com/cfrg/draft-irtf-cfrg-cpace, G_Coffee25519), in base64 there.

const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');

const INPUTS: CpaceInputs = {
  code: bytes('UGFzc3dvcmQ='),
  channel: bytes('b2MLQl9yZXNwb25kZXILQV9pbml0aWF0b3I='),
  session: bytes('fktHkdao7wGbk2x5+38sVw=='),
};
const GENERATOR = 'pvyCw7iWj7suBv7oHKhYWG3qUNJI8MfKahiwkCows2s=';
const INITIATOR = {
  scalar: '2j0jcAqeVpkliu+U3AYN/aXrth8Cpep3+tU/T/CXbQg=',
  data: 'QURh',
  share: '1A+yZaer6u55OdkaWF/ln3BT+YLCluxBPGJMZpMI+Ho=',
};
const RESPONDER = {
  scalar: '0jFrRUcYw1Ni2D1p32Mg84V47VmEZRQ14pSXYtkAuA0=',
  data: 'QURi',
  share: 'CLz26Xd6nDE6PbbapRDy05hAMxnCNBvVBqkuZy634wc=',
};
const SHARED = '4ise93iPZhR4883dTGAHdPwPQea3EVaRkP+I+g5gfgk=';
const KEY = 'TFRpoWsjZMS5ROvBp55R0WdK1H2ybocYFU9Z+uv6pS2DRvMKpYN3EX6yDVJ/LLxcdjgff9Ny6J34I5+H8uAu0Q==';
const VALID = {
  scalar: 'fNDgdfp5VbpSwCdZpskNu/wQ5tQK6o0oPkB9iM9TigU=',
  point: 'LDxrjE84AOeu9oZAJbTteb1ZkRfkJ8Qb1H2T1lS0pRw=',
  product: 'fBNkX+eQpGj2LDm+tziOVB2EBdGt5p0XeMX+Pn9rYA4=',
};
/** No point, and the neutral one. */
const INVALID = ['KzxrjE84AOeu9oZAJbTteb1ZkRfkJ8Qb1H2T1lS0pRw=', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='];

const numberOf = (base64: string): bigint => BigInt(`0x${bytes(base64).reverse().toString('hex')}`);

/** A run with a scalar of a vector. */
const run = (role: 'initiator' | 'responder', { scalar, data }: { readonly scalar: string; readonly data: string }) =>
  new Cpace(role, INPUTS, bytes(data), () => bytes(scalar));

describe('CPace', () => {
  it('writes lengths in LEB128', () => {
    expect([...withLength(Buffer.alloc(0))]).toEqual([0]);
    expect([...withLength(Buffer.from('1234'))]).toEqual([4, 0x31, 0x32, 0x33, 0x34]);
    expect([...withLength(Buffer.alloc(127)).subarray(0, 2)]).toEqual([127, 0]);
    expect([...withLength(Buffer.alloc(128)).subarray(0, 3)]).toEqual([0x80, 1, 0]);
  });

  it('makes the generator of the draft', () => {
    const text = generatorString(INPUTS);
    expect(text.length).toBe(172);
    expect(text.subarray(0, 28).toString('latin1')).toBe('\x11CPaceRistretto255\x08Passwordd');
    expect(Buffer.from(generatorOf(INPUTS).toBytes()).toString('base64')).toBe(GENERATOR);
  });

  it('makes the shares and the key of the draft, on both sides', () => {
    const [here, there] = [run('initiator', INITIATOR), run('responder', RESPONDER)];
    expect(Buffer.from(here.message.share).toString('base64')).toBe(INITIATOR.share);
    expect(Buffer.from(there.message.share).toString('base64')).toBe(RESPONDER.share);
    const shared = multiplied(numberOf(INITIATOR.scalar), bytes(RESPONDER.share)) ?? [];
    expect(Buffer.from(shared).toString('base64')).toBe(SHARED);
    const [one, other] = [here.finish(there.message), there.finish(here.message)];
    expect(one?.key.toString('base64')).toBe(KEY);
    expect(other?.key.toString('base64')).toBe(KEY);
  });

  it('multiplies points, and takes neither what is no point nor the neutral one', () => {
    const product = multiplied(numberOf(VALID.scalar), bytes(VALID.point)) ?? [];
    expect(Buffer.from(product).toString('base64')).toBe(VALID.product);
    for (const wrong of [
      ...INVALID.map(bytes),
      Buffer.alloc(0),
      Buffer.alloc(31),
      Buffer.alloc(33),
      Buffer.alloc(32, 255),
    ]) {
      expect(multiplied(numberOf(VALID.scalar), wrong)).toBeUndefined();
      const message = { share: wrong, data: bytes(RESPONDER.data) };
      expect(new Cpace('initiator', INPUTS, Buffer.alloc(0)).finish(message)).toBeUndefined();
    }
  });

  /** Both sides of a run, with what each takes for the code and so on. */
  function outcome(mine: Partial<CpaceInputs>, theirs: Partial<CpaceInputs>, heard = (data: Uint8Array) => data) {
    const here = new Cpace('initiator', { ...INPUTS, ...mine }, Buffer.from('me'));
    const there = new Cpace('responder', { ...INPUTS, ...theirs }, Buffer.from('you'));
    const one = here.finish({ ...there.message, data: heard(there.message.data) });
    const other = there.finish(here.message);
    if (one === undefined || other === undefined) throw new Error('Expected both to finish');
    return {
      sameKey: one.key.equals(other.key),
      confirmed: [one.isConfirmedBy(other.confirmation), other.isConfirmedBy(one.confirmation)],
      reflected: one.isConfirmedBy(one.confirmation),
    };
  }

  it('gives both sides one key, which each confirms, and which is new in each run', () => {
    const [first, second] = [outcome({}, {}), outcome({}, {})];
    for (const each of [first, second]) {
      expect(each).toEqual({ sameKey: true, confirmed: [true, true], reflected: false });
    }
    const [one, other] = [run('initiator', INITIATOR), new Cpace('initiator', INPUTS, Buffer.alloc(0))];
    expect(Buffer.from(one.message.share).equals(other.message.share)).toBeFalse();
  });

  it('gives them different keys when they differ in the code, the session, the channel, or in what one has said', () => {
    const failed = { sameKey: false, confirmed: [false, false], reflected: false };
    const wrong = Buffer.from('wrong');
    expect(outcome({}, { code: wrong })).toEqual(failed);
    expect(outcome({}, { session: wrong })).toEqual(failed);
    expect(outcome({}, { channel: wrong })).toEqual(failed);
    expect(outcome({}, {}, () => wrong)).toEqual(failed);
  });

  it('is not confirmed by anything else', () => {
    const [here, there] = [run('initiator', INITIATOR), run('responder', RESPONDER)];
    const result = here.finish(there.message);
    for (const length of [0, 32, 64, 65]) expect(result?.isConfirmedBy(Buffer.alloc(length))).toBeFalse();
  });

  it('can be finished once only', () => {
    const [here, there] = [run('initiator', INITIATOR), run('responder', RESPONDER)];
    here.finish(there.message);
    expect(() => here.finish(there.message)).toThrowError(/once only/);
  });

  it('samples numbers of 252 bits, and never 0', () => {
    const given = [Buffer.alloc(32), Buffer.alloc(32, 0xf0)];
    given[0]?.writeUInt8(0xf0, 31);
    const taken: number[] = [];
    const side = new Cpace('initiator', INPUTS, Buffer.alloc(0), (length) => {
      taken.push(length);
      return given[taken.length - 1] ?? Buffer.alloc(length, 1);
    });
    expect(taken).toEqual([32, 32]);
    expect(side.message.share.length).toBe(32);
  });
});
