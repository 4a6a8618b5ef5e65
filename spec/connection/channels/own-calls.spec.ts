import { OwnCalls } from '../../../lib/connection/channels/own-calls.js';
import { BegunBytes } from '../../../lib/bounds/begun-bytes.js';
import { TooManyChannelsError } from '../../../lib/errors.js';
import type { HeldChannel } from '../../../lib/remote/channel.js';

/** Until what has been done in this run of JavaScript has had its effects. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Calls of one side, of which so many may be under way and wait; the peer answers when the spec says so. */
function calling({ most = 2, mostWaiting = 3, mostWaitingBytes = 1_000 } = {}) {
  const events: string[] = [];
  const held = new Map<string, HeldChannel>();
  let full: string | undefined;
  const ignore = () => undefined;
  const channel = { waiting: 0, attach: ignore, write: ignore, read: ignore, end: ignore, reset: ignore };
  const calls = new OwnCalls({
    most,
    mostWaiting,
    mostWaitingBytes,
    full: () => full,
    open: () => ({ channel, begun: new BegunBytes(1_000), release: ignore }),
  });
  const call = (name: string, bytes = 1) =>
    calls.add(name, {
      bytes,
      onOpen: (opened) => {
        events.push(name);
        held.set(name, opened);
      },
      onClosed: ({ message }) => {
        events.push(`${name}: ${message}`);
      },
    });
  const end = (name: string) => held.get(name)?.release();
  const setFull = (why: string | undefined) => {
    full = why;
    calls.goOn();
  };
  return { calls, call, end, events, setFull };
}

describe('The calls of one side', () => {
  it('begin at once, or when it is their turn, in their order', async () => {
    const { call, end, events } = calling();
    for (const name of ['a', 'b', 'c', 'd']) call(name);
    expect(events).toEqual(['a', 'b']);
    end('b');
    // It is the turn of another, which came earlier.
    call('e');
    await settled();
    expect(events).toEqual(['a', 'b', 'c']);
    end('a');
    end('c');
    await settled();
    expect(events).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('wait while no channel can be opened', async () => {
    const { call, events, setFull } = calling();
    setFull('256 have not been answered yet');
    call('a');
    await settled();
    expect(events).toEqual([]);
    setFull(undefined);
    await settled();
    expect(events).toEqual(['a']);
  });

  it('fail when too many wait, or too many bytes, and one may be of more bytes than that', () => {
    const { call, events } = calling({ most: 0 });
    for (const name of ['a', 'b', 'c']) call(name);
    expect(() => call('d')).toThrowError(TooManyChannelsError, /at most 3 calls/);
    const large = calling({ most: 0 });
    large.call('a', 2_000);
    expect(() => large.call('b')).toThrowError(TooManyChannelsError, /at most 1000 bytes/);
    expect(events).toEqual([]);
  });

  it('that do not wait any more are never begun, and make room for others', async () => {
    const { call, end, events } = calling({ most: 1 });
    call('a');
    const leave = call('b');
    call('c');
    leave();
    leave();
    // As often as it likes, also while the queue does not move.
    for (let i = 0; i < 1_000; i++) call(`${i}`)();
    call('d');
    call('e');
    expect(() => call('f')).toThrowError(TooManyChannelsError);
    for (const name of ['a', 'c', 'd']) {
      end(name);
      await settled();
    }
    expect(events).toEqual(['a', 'c', 'd', 'e']);
  });

  it('learn of the end of the connection while they wait', async () => {
    const { calls, call, events, end } = calling({ most: 1 });
    call('a');
    call('b');
    calls.drop({ message: 'closed here' });
    end('a');
    await settled();
    expect(events).toEqual(['a', 'b: closed here']);
  });
});
