import { BegunBytes } from '../../lib/bounds/begun-bytes.js';
import { call$ } from '../../lib/remote/call.js';
import type { CallHandler } from '../../lib/remote/channel.js';
import { formatOf } from '../../lib/remote/format.js';
import type { SchemaResult, StandardSchema } from '../../lib/remote/schema.js';
import { ProtocolError, RemoteError } from '../../lib/errors.js';

/** A schema that decides when the spec says so. */
class SlowSchema implements StandardSchema {
  readonly #asked: ((result: SchemaResult) => void)[] = [];
  readonly '~standard' = {
    version: 1 as const,
    vendor: 'spec',
    validate: (value: unknown) =>
      new Promise<SchemaResult>((resolve) => {
        this.#asked.push(() => {
          resolve({ value });
        });
      }),
  };

  /** Decides on the value that has waited longest. */
  decide(): void {
    this.#asked.shift()?.({ value: undefined });
  }
}

/** Until what has been done in this run of JavaScript has had its effects. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('A call whose values are checked by a schema that takes its time', () => {
  /** A call, what it has emitted, and how many bytes the peer may send again. */
  function calling() {
    const schema = new SlowSchema();
    const emitted: unknown[] = [];
    let handler: CallHandler | undefined;
    let read = 0;
    const ignore = () => undefined;
    const channel = {
      waiting: 0,
      attach: (attached: CallHandler) => {
        handler = attached;
      },
      write: ignore,
      read: (bytes: number) => {
        read += bytes;
      },
      end: ignore,
      reset: ignore,
    };
    const value$ = call$({
      open: (opening) => {
        opening.onOpen({ channel, begun: new BegunBytes(1_000), release: ignore });
        return ignore;
      },
      format: formatOf('json'),
      messageBytes: 100,
      what: '`object.method`',
      method: 'method',
      args: [],
      schema,
    });
    const subscription = value$.subscribe({
      next: (value) => emitted.push(value),
      error: (error: unknown) => emitted.push(error),
      complete: () => emitted.push('complete'),
    });
    const come = (text: string) => handler?.onData(Buffer.from(text));
    const end = () => handler?.onEnd();
    return { schema, emitted, subscription, come, end, read: () => read };
  }

  it('emits the values before its failure or its completion', async () => {
    const failing = calling();
    failing.come('1\n2\n!{"kind":"error","name":"Error","message":"broken"}\n');
    failing.end();
    const completing = calling();
    completing.come('1\n2\n');
    completing.end();
    for (let i = 0; i < 2; i++) {
      await settled();
      failing.schema.decide();
      completing.schema.decide();
    }
    await settled();
    expect(failing.emitted).toEqual([1, 2, new RemoteError('broken', 'Error')]);
    expect(completing.emitted).toEqual([1, 2, 'complete']);
  });

  it('lets the peer send no more before the schema has decided on what came', async () => {
    const { schema, come, read, emitted } = calling();
    come('1\n');
    come('2\n');
    await settled();
    schema.decide();
    await settled();
    expect([emitted, read()]).toEqual([[1], 0]);
    schema.decide();
    await settled();
    expect([emitted, read()]).toEqual([[1, 2], 4]);
  });

  it('fails where its answer ends within a value: it is not whole', async () => {
    const { schema, come, end, emitted } = calling();
    come('1\n2');
    end();
    await settled();
    schema.decide();
    await settled();
    expect(emitted).toEqual([1, jasmine.any(ProtocolError)]);
  });

  it('lets the peer send on a value of which the beginning came', () => {
    const { come, read } = calling();
    come('"the beg');
    expect(read()).toBe(8);
  });
});
