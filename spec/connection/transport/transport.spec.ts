import fc from 'fast-check';
import { firstValueFrom, map } from 'rxjs';
import type { ChannelEnd } from '../../../lib/connection/channels/channel-end.js';
import { Multiplexer } from '../../../lib/connection/channels/multiplexer.js';
import { Transport } from '../../../lib/connection/transport/transport.js';
import type { FramedLink } from '../../../lib/link/framed-link.js';
import { encodeOffset, FRAME } from '../../../lib/link/frames.js';
import { encodeHello, type Hello, readHello$ } from '../../../lib/link/handshake.js';
import { settled, VirtualClock, VirtualLink } from '../virtual-links.js';
import { timesOf } from '../../support/left-to-ci.js';

const ID = 'A'.repeat(22);

/** One side of a connection, as far as its transport is concerned. */
class Side {
  readonly transport: Transport;
  readonly faults: unknown[] = [];
  readonly paths: string[] = [];
  readonly multiplexer: Multiplexer;
  /** What each channel has brought, and what was sent on it, by its number. */
  readonly received = new Map<number, Buffer>();
  readonly sent = new Map<number, Buffer>();
  ends = 0;

  constructor(
    framed: FramedLink,
    isMet: boolean,
    isControlling: boolean,
    readonly clock: VirtualClock,
    readonly unacknowledgedBytes: number,
    readonly seed: number,
  ) {
    this.multiplexer = new Multiplexer({
      isControlling,
      now: () => clock.now(),
      channels: 100,
      windowBytes: 200_000,
      onDue: () => {
        queueMicrotask(() => {
          this.transport.pump();
        });
      },
      release: (bytes) => bytes.fill(0xee),
      onRoom: () => undefined,
      onOpen: (end) => {
        end.accept();
        this.#read(end);
      },
    });
    this.#read(this.multiplexer.own);
    this.transport = new Transport(framed, isMet, {
      scheduler: clock,
      isControlling,
      unacknowledgedBytes,
      silenceMs: 5_000,
      handshakeMs: 60_000,
      stream: {
        // Channels have credit: what was allowed finds room.
        hasRoom: () => true,
        waiting: () => this.multiplexer.waiting,
        next: () => this.multiplexer.next(),
        onData: (bytes) => {
          this.multiplexer.push(bytes);
        },
        onEnd: () => {
          this.ends++;
        },
        onWritten: () => undefined,
        // Whoever made them uses their memory for something else, as soon as the peer has them.
        release: (bytes) => bytes.fill(0xee),
        onAcknowledged: () => undefined,
      },
      host: {
        onHello: () => undefined,
        onRefused: () => undefined,
        onLocator: () => undefined,
        onNeed: () => undefined,
        onPath: ({ link: { technique } }) => {
          this.paths.push(technique);
        },
        onRoundTrip: () => undefined,
        onLost: () => undefined,
        onFault: (error) => {
          this.faults.push(error);
        },
      },
    });
    framed.write(FRAME.hello, encodeHello({ connection: ID }));
    this.transport.start();
  }

  /** The side that has been dialled: what it is made of has been read before. */
  static dialled(framed: FramedLink, isControlling: boolean, clock: VirtualClock, most: number): Promise<Side> {
    return firstValueFrom(
      readHello$(framed, 60_000, clock).pipe(map(() => new Side(framed, true, isControlling, clock, most, 2))),
    );
  }

  /** Sends bytes that tell where in their channel they are, on one of its channels. */
  send(length: number, channel = 0): void {
    const ends = [...this.multiplexer.ends];
    const end = ends[channel % ends.length] ?? this.multiplexer.own;
    const before = this.sent.get(end.id) ?? Buffer.alloc(0);
    const bytes = Buffer.from(Array.from({ length }, (_, i) => ((before.length + i) * 31 + this.seed + end.id) % 251));
    this.sent.set(end.id, Buffer.concat([before, bytes]));
    end.write(bytes);
    this.transport.pump();
  }

  /** Opens a channel. */
  open(): void {
    if (this.multiplexer.full === undefined) this.#read(this.multiplexer.open({ name: '', priority: 'normal' }));
  }

  /** Whether all has come that another side has sent. */
  hasAllOf({ sent }: Side): boolean {
    return [...sent].every(([id, bytes]) => (this.received.get(id) ?? Buffer.alloc(0)).equals(bytes));
  }

  #read(end: ChannelEnd): void {
    end.attach({
      onData: (bytes) => {
        this.received.set(end.id, Buffer.concat([this.received.get(end.id) ?? Buffer.alloc(0), bytes]));
        end.read(bytes.length);
        // As a connection does whenever its application has taken something, from within that call.
        this.transport.readOn();
      },
      onEnd: () => undefined,
      onReset: () => undefined,
      onWritten: () => undefined,
    });
  }

  hello(framed: FramedLink): void {
    const { received, lost } = this.transport;
    framed.write(FRAME.hello, encodeHello({ connection: ID, received, lost }));
  }
}

/** Two sides and the links between them. */
class Pair {
  readonly links: VirtualLink[];

  private constructor(
    first: VirtualLink,
    readonly here: Side,
    readonly there: Side,
    readonly clock: VirtualClock,
  ) {
    this.links = [first];
  }

  static async begin(isDirect: boolean, isHereControlling: boolean, most = 100_000): Promise<Pair> {
    const clock = new VirtualClock();
    const first = new VirtualLink('link 0', isDirect);
    const here = new Side(first.here, false, isHereControlling, clock, most, 1);
    const dialled = Side.dialled(first.there, !isHereControlling, clock, most);
    await settled();
    first.carry(1_000, 0);
    return new Pair(first, here, await dialled, clock);
  }

  #newLink(isDirect: boolean): VirtualLink {
    const link = new VirtualLink(`link ${this.links.length}`, isDirect);
    this.links.push(link);
    return link;
  }

  /** One side makes one more link, where it is of use. */
  offer(by: 'here' | 'there', isDirect: boolean): void {
    const link = this.#newLink(isDirect);
    const [maker, taker] = by === 'here' ? [this.here, this.there] : [this.there, this.here];
    const [made, taken] = by === 'here' ? [link.here, link.there] : [link.there, link.here];
    if (!maker.transport.wants(made) || !maker.transport.hasRoom || !taker.transport.hasRoom) {
      link.cut(true);
      return;
    }
    maker.hello(made);
    maker.transport.offer(made);
    readHello$(taken, 60_000, this.clock).subscribe({
      next: (hello: Hello) => {
        taker.hello(taken);
        taker.transport.take(taken, hello);
      },
      error: () => undefined,
    });
  }

  /** Lets so many bytes arrive on either side, by all links or by one alone, as if the others were slow. */
  async carry(toThere: number, toHere: number, by?: number): Promise<void> {
    const links = by === undefined ? this.links : this.links.slice(-1 - by, by === 0 ? undefined : -by);
    for (const link of links) link.carry(toThere, toHere);
    await settled();
  }

  /** Lets everything arrive, and looks for links until both sides have what the other has sent. */
  async finish(): Promise<void> {
    for (let round = 0; round < 800; round++) {
      for (let i = 0; i < 4; i++) await this.carry(1_000_000, 1_000_000);
      if (this.#isDone()) return;
      this.clock.pass(250);
      // Every 25 s, as a connection does.
      if (round % 100 === 99) for (const side of [this.here, this.there]) side.transport.ping(Buffer.from('ping'));
      for (const [name, side] of [
        ['here', this.here],
        ['there', this.there],
      ] as const)
        if (round % 8 === 7 && side.transport.need === 'any') this.offer(name, true);
    }
  }

  #isDone(): boolean {
    const { here, there } = this;
    return here.hasAllOf(there) && there.hasAllOf(here) && here.ends > 0 && there.ends > 0 && this.isAgreed;
  }

  /** Both send on one and the same link. */
  get isAgreed(): boolean {
    return this.links.some(
      (link) => link.here === this.here.transport.currentLink && link.there === this.there.transport.currentLink,
    );
  }

  close(): void {
    for (const side of [this.here, this.there]) side.transport.close(0);
    for (const link of this.links) link.cut(true);
  }
}

type Step =
  | { readonly do: 'send'; readonly by: 'here' | 'there'; readonly length: number; readonly channel: number }
  | { readonly do: 'open'; readonly by: 'here' | 'there' }
  | { readonly do: 'carry'; readonly toThere: number; readonly toHere: number; readonly by: number | undefined }
  | { readonly do: 'offer'; readonly by: 'here' | 'there'; readonly direct: boolean }
  | { readonly do: 'cut'; readonly link: number; readonly how: 'told' | 'silent' | 'here' | 'there' }
  | { readonly do: 'pass'; readonly ms: number };

const by = fc.constantFrom('here' as const, 'there' as const);
const bytes = fc.oneof(fc.nat(100), fc.nat(200_000));
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('send' as const),
        by,
        length: fc.oneof(fc.nat(50), fc.nat(90_000)),
        channel: fc.nat(5),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant('carry' as const),
        toThere: bytes,
        toHere: bytes,
        by: fc.option(fc.nat(2), { nil: undefined }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('open' as const), by }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('offer' as const), by, direct: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('cut' as const),
        link: fc.nat(7),
        how: fc.constantFrom('told' as const, 'silent' as const, 'here' as const, 'there' as const),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(3_000) }) },
  ),
  { maxLength: 60, size: '+1' },
);

async function run(pair: Pair, step: Step): Promise<void> {
  switch (step.do) {
    case 'send':
      pair[step.by].send(step.length, step.channel);
      break;
    case 'open':
      pair[step.by].open();
      break;
    case 'carry':
      await pair.carry(step.toThere, step.toHere, step.by);
      break;
    case 'offer':
      pair.offer(step.by, step.direct);
      break;
    case 'cut': {
      const link = pair.links.at(-1 - step.link);
      if (step.how === 'here') link?.tell(0);
      else if (step.how === 'there') link?.tell(1);
      else link?.cut(step.how === 'told');
      break;
    }
    case 'pass':
      pair.clock.pass(step.ms);
  }
  await settled(1);
}

describe('A transport', () => {
  it('brings every byte of every channel once and in order over links that come, go and break at any time, on both sides at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.boolean(), steps, async (isDirect, isHereControlling, all) => {
        const pair = await Pair.begin(isDirect, isHereControlling, 100_000);
        try {
          for (const step of all) await run(pair, step);
          pair.here.transport.end(Buffer.from('end'));
          pair.there.transport.end(Buffer.from('end'));
          await pair.finish();
          throwUnless([...pair.here.faults, ...pair.there.faults]).toEqual([]);
          throwUnless([pair.there.hasAllOf(pair.here), pair.here.hasAllOf(pair.there)]).toEqual([true, true]);
          throwUnless([pair.here.ends > 0, pair.there.ends > 0, pair.isAgreed]).toEqual([true, true, true]);
        } finally {
          pair.close();
        }
      }),
      { numRuns: timesOf(200, 40) },
    );
  });

  /** A pair over one direct link, on which all has been said that there is to say. */
  async function quiet(isHereControlling: boolean): Promise<Pair> {
    const pair = await Pair.begin(true, isHereControlling);
    await pair.carry(1_000_000, 1_000_000);
    return pair;
  }

  /** Lets what was sent arrive, and its acknowledgement, which leaves a little later. */
  async function answered(pair: Pair): Promise<void> {
    await pair.carry(1_000, 1_000);
    pair.clock.pass(1_000);
    await pair.carry(1_000, 1_000);
  }

  it('does not doubt a link on which everything is answered, however long it is silent then', async () => {
    for (const isHereControlling of [true, false]) {
      const pair = await quiet(isHereControlling);
      pair.here.send(10);
      await answered(pair);
      expect(pair.here.transport.isAcknowledged).toBeTrue();
      pair.clock.pass(600_000);
      expect([pair.here.transport.need, pair.there.transport.need]).toEqual(['none', 'none']);
      pair.close();
    }
  });

  it('doubts a link on which nothing is answered, takes another, and trusts it again where it is answered after all', async () => {
    const pair = await quiet(true);
    pair.here.send(10);
    pair.clock.pass(4_999);
    expect(pair.here.transport.need).toBe('none');
    pair.clock.pass(1);
    expect(pair.here.transport.need).toBe('any');
    await answered(pair);
    expect(pair.here.transport.need).toBe('none');
    pair.close();
  });

  it('acknowledges the end of a stream at once, and all before it: no timer holds up an orderly close', async () => {
    const pair = await quiet(true);
    pair.here.send(10);
    pair.there.send(10);
    await pair.carry(1_000, 1_000);
    expect([pair.here, pair.there].map(({ transport }) => transport.isAcknowledged)).toEqual([false, false]);
    pair.here.transport.end(Buffer.from('{}'));
    await pair.carry(1_000, 0);
    expect(pair.there.ends).toBe(1);
    expect(pair.there.transport.isAcknowledged).toBeTrue();
    await pair.carry(0, 1_000);
    expect(pair.here.transport.isAcknowledged).toBeTrue();
    pair.close();
  });

  it('ignores a late request for bytes that the peer has received meanwhile by another link', async () => {
    const pair = await quiet(true);
    pair.here.send(10);
    await answered(pair);
    expect(pair.here.transport.isAcknowledged).toBeTrue();
    pair.links[0]?.there.write(FRAME.resume, encodeOffset(0));
    pair.here.send(10);
    await pair.carry(1_000, 1_000);
    await pair.carry(1_000, 1_000);
    expect(pair.here.faults).toEqual([]);
    expect(pair.there.hasAllOf(pair.here)).toBeTrue();
    pair.close();
  });

  it('needs a direct link while it is relayed, any link while it has none, and none when it is closed', async () => {
    const pair = await Pair.begin(false, true);
    await pair.carry(1_000, 1_000);
    expect(pair.here.transport.need).toBe('direct');
    pair.links[0]?.cut(true);
    await settled();
    expect(pair.here.transport.need).toBe('any');
    pair.close();
    expect(pair.here.transport.need).toBe('none');
  });
});
