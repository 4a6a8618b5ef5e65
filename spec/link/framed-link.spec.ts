import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { noop } from 'rxjs';
import { FramedLink, FramedWire } from '../../lib/link/framed-link.js';
import { linkOf } from '../support/attempts.js';
import { VirtualClock } from '../connection/virtual-links.js';

describe('A framed', () => {
  /** Over a stream on which something has happened before; how often it tells of its end. */
  function endsOf(stream: PassThrough): { readonly framed: FramedLink; readonly ends: readonly (Error | undefined)[] } {
    const ends: (Error | undefined)[] = [];
    const framed = new FramedLink({ ...linkOf('relay'), stream }, new FramedWire());
    framed.attach({ frame: fail, written: noop, closed: (error) => ends.push(error) });
    framed.setFlowing(true);
    return { framed, ends };
  }

  it('reports once that its link is gone, even if it was gone before', async () => {
    const stream = new PassThrough();
    stream.destroy();
    await once(stream, 'close');
    const { framed, ends } = endsOf(stream);
    expect([framed.isBroken, ends.length]).toEqual([true, 1]);
  });

  it('reports once that nothing comes any more, even if that was so before', async () => {
    const stream = new PassThrough({ allowHalfOpen: true, autoDestroy: false });
    stream.end();
    stream.resume();
    await once(stream, 'end');
    const { ends } = endsOf(stream);
    expect(ends).toEqual([undefined]);
    stream.destroy();
  });

  it('runs a scheduled action, unless its link is gone by then', async () => {
    const clock = new VirtualClock();
    const done: string[] = [];
    const streams = ['stays', 'goes', 'is gone'].map((name) => ({ name, stream: new PassThrough() }));
    const [, goes, isGone] = streams;
    isGone?.stream.destroy();
    if (isGone) await once(isGone.stream, 'close');
    for (const { name, stream } of streams) {
      endsOf(stream).framed.after(1_000, clock, () => {
        done.push(name);
      });
    }
    goes?.stream.destroy();
    if (goes) await once(goes.stream, 'close');
    clock.pass(1_000);
    expect(done).toEqual(['stays']);
    for (const { stream } of streams) stream.destroy();
  });
});
