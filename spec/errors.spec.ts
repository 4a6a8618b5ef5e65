import * as errors from '../lib/errors.js';
import { ConnectError, DialError, PeerMismatchError, reasonOf, RendezvousError, Rxp2pError } from '../lib/errors.js';

describe('an error of this library', () => {
  it('is an Error with the name of its class and a code of its own', () => {
    const all = [
      new errors.InvalidOptionError('m'),
      new errors.InvalidUnlError('m'),
      new errors.InvalidTextError('m'),
      new errors.IdentityError('m'),
      new errors.DialError('m'),
      new errors.ListenError('m'),
      new errors.PeerMismatchError('a', 'b'),
      new errors.ProtocolError('m'),
      new errors.LineTooLongError(1),
      new errors.MessageTooLongError(1),
      new errors.InvalidMessageError('m'),
      new errors.TooManyChannelsError('m'),
      new errors.RemoteError('m', 'Error'),
      new errors.RemoteRefusedError('overflow', 'm'),
      new errors.SendBufferFullError(1),
      new errors.TimeoutError('m'),
      new errors.ClosedError('m'),
      new errors.ConnectError('a', []),
      new errors.RendezvousError('m'),
      new errors.PairingError('CODE_WRONG', 'm'),
      new errors.HttpError('m'),
      new errors.PortMappingError('m'),
      new errors.StoreError('m'),
      new errors.FilesError('refused', 'm'),
      new errors.UnavailableError('m'),
    ];
    const classes = Object.entries(errors).filter(([, value]) => Object.getPrototypeOf(value) === Rxp2pError);
    expect(all.map(({ name }) => name).toSorted()).toEqual(classes.map(([name]) => name).toSorted());
    expect(new Set(all.map(({ code }) => code)).size).toBe(all.length);
    for (const error of all) expect(error).toBeInstanceOf(Error);
  });

  it('keeps its cause', () => {
    const cause = new Error('connect ECONNREFUSED');
    expect(new DialError('It cannot be reached', { cause }).cause).toBe(cause);
    expect(new RendezvousError('It refused', 'idle', { cause }).cause).toBe(cause);
  });

  it('says what the caller can do', () => {
    expect(new PeerMismatchError('them', 'others').message).toMatch(
      /key them, but others answered.*ask it for its new UNL/,
    );
    expect(new errors.SendBufferFullError(5).message).toMatch(/more than 5 bytes.*Stop when `send` returns false/i);
  });

  it('about a failed connect names every technique with its reason', () => {
    const attempts = ['direct', 'relay'].map((technique) => ({
      technique,
      reason: `${technique} broke`,
      elapsedMs: 1,
      error: undefined,
    }));
    expect(new ConnectError('them', attempts).message).toBe(
      'No technique connected to them: direct: direct broke; relay: relay broke',
    );
    expect(new ConnectError('them', []).message).toBe('No technique connected to them: none is applicable');
  });
});

describe('the reason of what was thrown', () => {
  it('is the message of an error, or the thing itself in words', () => {
    expect(reasonOf(new Error('broken'))).toBe('broken');
    expect(reasonOf('broken')).toBe('broken');
    expect(reasonOf(undefined)).toBe('undefined');
  });

  it('lists the reasons of all errors in an AggregateError, however deep', () => {
    const inner = new AggregateError([new Error('b'), 'c'], 'not said');
    expect(reasonOf(new AggregateError([new Error('a'), inner]))).toBe('a; b; c');
  });

  it('lists equal reasons once, and is never empty', () => {
    expect(reasonOf(new AggregateError([new Error('a'), new Error('a'), new TypeError()]))).toBe('a; TypeError');
  });

  it('is the message of a bundle that is empty', () => {
    expect(reasonOf(new AggregateError([], 'There was nothing to try'))).toBe('There was nothing to try');
  });
});
