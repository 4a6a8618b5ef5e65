import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  finalize,
  firstValueFrom,
  map,
  merge,
  NEVER,
  Subject,
  Subscription,
  switchMap,
  take,
  tap,
  type Observable,
  type TeardownLogic,
} from 'rxjs';
import { createIdentity } from '../../../lib/identity.js';
import { linkOf, type Link } from '../../../lib/link/link.js';
import { secure$, secureContextOf } from '../../../lib/link/tls.js';
import { meetBy, type Meeting } from '../../../lib/techniques/relay/meeting.js';
import { RelayedStream } from '../../../lib/techniques/relay/relayed-stream.js';
import { record, type Recording } from '../../support/record.js';
import { addressOf } from '../../support/nodes.js';
import { until } from '../../support/until.js';

/** A connection to a relay: this node's end, and that of the relay. */
interface Relay {
  readonly here: Socket;
  readonly there: Socket;
}

/** What a test opens, and closes. */
class Opened {
  #subscriptions = new Subscription();

  add(teardown: TeardownLogic): void {
    this.#subscriptions.add(teardown);
  }

  close(): void {
    this.#subscriptions.unsubscribe();
    this.#subscriptions = new Subscription();
  }

  async relay(): Promise<Relay> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const arriving = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const here = connect({ ...addressOf(server), host: '127.0.0.1', allowHalfOpen: true });
    await once(here, 'connect');
    const there = await arriving;
    server.close();
    for (const socket of [here, there]) {
      socket.on('error', () => undefined);
      this.#subscriptions.add(() => socket.destroy());
    }
    return { here, there };
  }

  stream(): RelayedStream {
    const stream = new RelayedStream();
    this.#subscriptions.add(() => stream.destroy());
    return stream;
  }
}

/** The bytes of a stream, as soon as there are so many. */
async function textFrom(stream: Readable, length: number): Promise<string> {
  let read = '';
  while (read.length < length) {
    const piece: unknown = stream.read();
    if (Buffer.isBuffer(piece)) read += piece.toString();
    else await once(stream, 'readable');
  }
  return read;
}

describe('A stream over a relay', () => {
  const opened = new Opened();
  afterEach(() => {
    opened.close();
  });

  it('tells what is written first, in one piece, before there is a relay', () => {
    const stream = opened.stream();
    const told = record(stream.first$);
    stream.write('one');
    stream.write('two');
    expect([told.values.map(String), told.isCompleted]).toEqual([['one'], true]);
    const silent = opened.stream();
    const nothing = record(silent.first$);
    silent.destroy();
    expect([nothing.values, nothing.isCompleted]).toEqual([[], true]);
  });

  it('writes everything over the relay, from the first byte on', async () => {
    const [stream, { here, there }] = [opened.stream(), await opened.relay()];
    stream.write('before,');
    record(stream.over$(here));
    stream.write('then,');
    expect(await textFrom(there, 12)).toBe('before,then,');
    const met = firstValueFrom(stream.met$);
    there.write('x');
    await met;
    stream.write('after');
    expect(await textFrom(there, 5)).toBe('after');
  });

  it('reads what a signal has brought once, however the relay cuts its copy', async () => {
    const [stream, { here, there }] = [opened.stream(), await opened.relay()];
    stream.hear(Buffer.from('hello'));
    stream.hear(Buffer.from('hello'));
    expect(await textFrom(stream, 5)).toBe('hello');
    record(stream.over$(here));
    there.write('he');
    await firstValueFrom(stream.met$);
    there.write('llo, world');
    expect(await textFrom(stream, 7)).toBe(', world');
    stream.hear(Buffer.from('late'));
    there.write('!');
    expect(await textFrom(stream, 1)).toBe('!');
  });

  it('leaves a relay for another while the peer is not there, and writes everything again', async () => {
    const [stream, one, other] = [opened.stream(), await opened.relay(), await opened.relay()];
    const ends = record(stream.ends$);
    stream.write('hello');
    const going = record(stream.over$(one.here)).subscription;
    expect(await textFrom(one.there, 5)).toBe('hello');
    const closed = once(one.here, 'close');
    going.unsubscribe();
    await closed;
    stream.write(', you');
    const met = record(stream.over$(other.here));
    other.there.write('x');
    expect(await textFrom(other.there, 10)).toBe('hello, you');
    expect(await textFrom(stream, 1)).toBe('x');
    expect([met.isCompleted, ends.values.map(({ remote }) => remote.port)]).toEqual([
      true,
      [one.there.localPort ?? 0, other.there.localPort ?? 0],
    ]);
  });

  it('fails to go over a relay that hangs up before the peer is there, and stays good for another', async () => {
    const [stream, one, other] = [opened.stream(), await opened.relay(), await opened.relay()];
    stream.write('hello');
    const failing = firstValueFrom(stream.over$(one.here)).catch((error: unknown) => error);
    one.there.end();
    expect(await failing).toEqual(jasmine.objectContaining({ code: 'DIAL_FAILED' }));
    expect([one.here.destroyed, stream.destroyed]).toEqual([true, false]);
    record(stream.over$(other.here));
    expect(await textFrom(other.there, 5)).toBe('hello');
  });

  it('has room for 64 KiB until the peer is there', async () => {
    const [stream, { here, there }] = [opened.stream(), await opened.relay()];
    const [most, more] = [Buffer.alloc(64 * 1024, 1), Buffer.alloc(10, 2)];
    record(stream.over$(here));
    const written: number[] = [];
    for (const bytes of [most, more]) stream.write(bytes, () => written.push(bytes.length));
    await textFrom(there, most.length);
    expect(written).withContext('the first waits, too, for it has filled the room').toEqual([]);
    there.write('x');
    expect((await textFrom(there, more.length)).length).toBe(more.length);
    expect(written).toEqual([most.length, more.length]);
  });

  it('reads no more from the relay than is read from it', async () => {
    const [stream, { here, there }] = [opened.stream(), await opened.relay()];
    record(stream.over$(here));
    const bytes = Buffer.alloc(1024 * 1024, 7);
    there.write(bytes);
    await firstValueFrom(stream.met$);
    while (!here.isPaused()) await once(here, 'pause');
    expect(stream.readableLength).toBeLessThan(256 * 1024);
    expect((await textFrom(stream, bytes.length)).length).toBe(bytes.length);
  });

  it('passes on the end of each direction, behind all that came before it', async () => {
    const [stream, { here, there }] = [opened.stream(), await opened.relay()];
    record(stream.over$(here));
    there.end('bye');
    await firstValueFrom(stream.met$);
    const ended = once(stream, 'end');
    expect(await textFrom(stream, 3)).toBe('bye');
    stream.resume();
    await ended;
    stream.end('bye, too');
    expect(await text(there)).toBe('bye, too');
  });

  it('is destroyed with its connection to the relay, and that with it', async () => {
    const [cut, gone] = [opened.stream(), opened.stream()];
    const [one, other] = [await opened.relay(), await opened.relay()];
    for (const [stream, { here, there }] of [
      [cut, one],
      [gone, other],
    ] as const) {
      record(stream.over$(here));
      there.write('x');
      await firstValueFrom(stream.met$);
    }
    const errors = once(cut, 'error');
    one.there.resetAndDestroy();
    expect(String(await errors)).toMatch(/ECONNRESET/);
    gone.destroy();
    expect(await text(other.there)).toBe('');
    expect([one.here.destroyed, other.here.destroyed]).toEqual([true, true]);
  });

  it('closes a relay that comes when it is destroyed already', async () => {
    const [stream, { here, there }] = [opened.stream(), await opened.relay()];
    stream.destroy();
    const over = record(stream.over$(here));
    expect(here.destroyed).toBeTrue();
    expect(await text(there)).toBe('');
    await until(() => over.error !== undefined);
    expect(String(over.error)).toMatch(/closed the connection before the peer had come/);
  });
});

describe('A meeting at a relay', () => {
  const opened = new Opened();
  afterEach(() => {
    opened.close();
  });

  const identities = { client: createIdentity(), server: createIdentity() };
  const OTHER = { client: 'server', server: 'client' } as const;
  const meet$ = meetBy((stream, role, peerId) =>
    secure$(stream, { context: secureContextOf(identities[role]), role, peerId }).pipe(
      switchMap((secured) =>
        stream.ends$.pipe(
          take(1),
          map((ends) => linkOf(secured, ends, 'relay', false)),
        ),
      ),
    ),
  );

  /** One side of it, which can be told what the other has said first, and goes over relays. */
  function side(role: 'client' | 'server', run: (meeting: Meeting) => Observable<Link> = ({ link$ }) => link$) {
    let meeting: Meeting | undefined;
    const link = record(
      meet$(role, identities[OTHER[role]].peerId, (own) => {
        meeting = own;
        return run(own);
      }),
    );
    opened.add(() => {
      link.subscription.unsubscribe();
      for (const { stream } of link.values) stream.destroy();
    });
    if (meeting === undefined) throw new Error('Expected the meeting to begin');
    return { link, meeting };
  }

  /** What a relay does once both are there. */
  const joined = ({ there: one }: Relay, { there: other }: Relay) => {
    one.pipe(other).pipe(one);
  };

  const said = async ({ values: [link] }: Recording<Link>, words: string) => {
    if (link === undefined) throw new Error('Expected a link');
    expect(await textFrom(link.stream, words.length)).toBe(words);
  };

  it('has a link as soon as the relay lets this node in, by what the two have said first by signals', async () => {
    const [{ link, meeting }, there] = [side('client'), side('server')];
    there.meeting.hear(await firstValueFrom(meeting.first$));
    meeting.hear(await firstValueFrom(there.meeting.first$));
    const [near, far] = [await opened.relay(), await opened.relay()];
    opened.add(record(meeting.over$(near.here)).subscription);
    await until(() => link.values.length === 1);
    link.values[0]?.stream.write('hello');
    expect(there.link.values).withContext('nobody else is there').toEqual([]);
    opened.add(record(there.meeting.over$(far.here)).subscription);
    joined(near, far);
    await until(() => there.link.values.length === 1);
    await said(there.link, 'hello');
    there.link.values[0]?.stream.write('hello, too');
    await said(link, 'hello, too');
    expect([link.values[0]?.peerId, there.link.values[0]?.peerId]).toEqual([
      identities.server.peerId,
      identities.client.peerId,
    ]);
    expect(link.values[0]?.remote.port).toBe(near.there.localPort);
  });

  it('needs no signals', async () => {
    const [one, other] = [side('client'), side('server')];
    const [near, far] = [await opened.relay(), await opened.relay()];
    opened.add(record(one.meeting.over$(near.here)).subscription);
    opened.add(record(other.meeting.over$(far.here)).subscription);
    joined(near, far);
    await until(() => one.link.values.length + other.link.values.length === 2);
    one.link.values[0]?.stream.write('hello');
    await said(other.link, 'hello');
  });

  it('fails when something else than the peer is there', async () => {
    const { link, meeting } = side('client');
    const { here, there } = await opened.relay();
    opened.add(record(meeting.over$(here)).subscription);
    there.write('HTTP/1.1 200 OK\r\n\r\n');
    await until(() => link.error !== undefined);
    expect(link.error).toEqual(jasmine.objectContaining({ code: 'PROTOCOL' }));
    await text(there);
  });

  it('goes on when there is a link, which fails with it', async () => {
    const failing = new Subject<never>();
    const [one, other] = [side('client', ({ link$ }) => merge(link$, failing)), side('server')];
    other.meeting.hear(await firstValueFrom(one.meeting.first$));
    one.meeting.hear(await firstValueFrom(other.meeting.first$));
    opened.add(record(one.meeting.over$((await opened.relay()).here)).subscription);
    await until(() => one.link.values.length === 1);
    const [link] = one.link.values;
    const errors: unknown[] = [];
    link?.stream.on('error', (error) => errors.push(error));
    expect(failing.observed).toBeTrue();
    failing.error(new Error('The peer did not come'));
    if (link?.stream.destroyed === false) await once(link.stream, 'close').catch(() => undefined);
    expect(String(errors[0])).toMatch(/did not come/);
  });

  it('ends with whoever wants it, and with its link', async () => {
    const left = side('client', ({ link$ }) => merge(link$, NEVER));
    const { here, there } = await opened.relay();
    const going = record(left.meeting.over$(here)).subscription;
    left.link.subscription.unsubscribe();
    await text(there);
    going.unsubscribe();
    let isRunning = false;
    const run = ({ link$ }: Meeting) =>
      merge(link$, NEVER).pipe(
        tap({ subscribe: () => (isRunning = true) }),
        finalize(() => (isRunning = false)),
      );
    const [one, other] = [side('client', run), side('server')];
    other.meeting.hear(await firstValueFrom(one.meeting.first$));
    one.meeting.hear(await firstValueFrom(other.meeting.first$));
    opened.add(record(one.meeting.over$((await opened.relay()).here)).subscription);
    await until(() => one.link.values.length === 1);
    expect(isRunning).toBeTrue();
    one.link.values[0]?.stream.destroy();
    await until(() => !isRunning);
  });
});
