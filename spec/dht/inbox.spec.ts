import { Subscription } from 'rxjs';
import { createInbox, type Arrived, type Inbox } from '../../lib/dht/inbox.js';
import { toParts, type Part } from '../../lib/dht/messages.js';
import { createIdentity } from '../../lib/identity.js';
import { marbles } from '../support/marbles.js';

const [TRUE, FALSE] = ['192.0.2.1', '203.0.113.66'];
const STREAM = Buffer.alloc(8, 5);
const HOSTS = Array.from({ length: 20 }, (_, index) => `198.51.100.${index}`);
const HONEST = HOSTS.slice(0, 10);
const HOSTILE = HOSTS.slice(18);

/** A parcel that is one part. */
function parcel(text: string, sequence: number): Part {
  const [part] = toParts(Buffer.from(text), STREAM, sequence);
  if (part === undefined) throw new Error('Expected a part');
  return part;
}

interface Came {
  readonly text: string;
  readonly seenAt: string | undefined;
  readonly at: number;
}

describe('The inbox of the DHT', () => {
  /** Runs in virtual time with an inbox among twenty hosts; what comes is acknowledged, unless it is not to be. */
  function withInbox(
    act: (tools: {
      readonly at: (ms: number, what: () => void) => void;
      readonly push: (part: Part, hosts: readonly string[], seenAt?: string) => void;
    }) => void,
    neighbours = HOSTS.length,
  ): Came[] {
    const came: Came[] = [];
    marbles(({ scheduler, flush }) => {
      const all = new Subscription();
      const inbox: Inbox = createInbox({
        identity: createIdentity(),
        runtime: { scheduler },
        neighbours: () => neighbours,
      });
      all.add(
        inbox.arrived$.subscribe({
          next: ({ bytes, seenAt, acknowledge }: Arrived) => {
            came.push({ text: bytes.toString(), seenAt, at: scheduler.now() });
            acknowledge();
          },
          error: fail,
        }),
      );
      const push = (part: Part, hosts: readonly string[], seenAt = TRUE) => {
        for (const address of hosts) {
          all.add(inbox.push$({ part, seenAt }, { address, port: 1 }).subscribe({ error: fail }));
        }
      };
      const at = (ms: number, what: () => void) => {
        all.add(scheduler.schedule(what, ms));
      };
      act({ at, push });
      flush();
      all.unsubscribe();
    });
    return came;
  }

  const textsOf = (came: readonly Came[]) => came.map(({ text }) => text);

  it('hands on in order, at once, what enough hosts have pushed', () => {
    const came = withInbox(({ at, push }) => {
      at(0, () => {
        push(parcel('0', 0), HONEST);
      });
      at(10, () => {
        push(parcel('2', 2), HONEST);
      });
      at(20, () => {
        push(parcel('1', 1), HONEST);
      });
    });
    expect(came).toEqual([
      { text: '0', seenAt: TRUE, at: 0 },
      { text: '1', seenAt: TRUE, at: 20 },
      { text: '2', seenAt: TRUE, at: 20 },
    ]);
  });

  it('does not let two hosts say where a sender is to which no other has been given its parcel', () => {
    const came = withInbox(({ push }) => {
      push(parcel('forged', 0), HOSTILE, FALSE);
    });
    expect(came).toEqual([{ text: 'forged', seenAt: undefined, at: 300 }]);
  });

  it('trusts a single host, where there is no other', () => {
    const came = withInbox(({ push }) => {
      push(parcel('by one', 0), HOSTS.slice(0, 1));
    }, 1);
    expect(came).toEqual([{ text: 'by one', seenAt: TRUE, at: 0 }]);
  });

  it('is not held up by what one host makes up', () => {
    const came = withInbox(({ at, push }) => {
      for (let index = 0; index < 100; index++) {
        at(index * 100, () => {
          push(parcel(`junk ${index}`, 0), HOSTILE.slice(0, 1));
        });
      }
      for (const sequence of [0, 1, 2, 3]) {
        at(1_050 + sequence * 1_000, () => {
          push(parcel(`real ${sequence}`, sequence), HONEST);
        });
      }
    });
    const real = came.filter(({ text }) => text.startsWith('real'));
    expect(real.map(({ text, at }) => [text, at])).toEqual([
      ['real 0', 1_050],
      ['real 1', 2_050],
      ['real 2', 3_050],
      ['real 3', 4_050],
    ]);
  });

  it('holds nothing for longer than a second, even if many hosts make things up', () => {
    const came = withInbox(({ at, push }) => {
      push(parcel('real 5', 5), HONEST.slice(0, 8));
      for (let index = 0; index < 100; index++) {
        at(index * 100, () => {
          for (const host of HOSTS.slice(0, 7)) push(parcel(`junk ${index}`, 0), [host], host);
        });
      }
      at(2_000, () => {
        push(parcel('real 6', 9), HONEST);
      });
    });
    const real = came.filter(({ text }) => text.startsWith('real'));
    expect(textsOf(real)).toEqual(['real 5', 'real 6']);
    expect(real[0]?.at).toBeLessThanOrEqual(1_000);
    expect((real[1]?.at ?? Infinity) - 2_000).toBeLessThanOrEqual(1_000);
  });

  it('keeps its count whatever numbers one host makes up, and renumbers nothing for it', () => {
    const came = withInbox(({ at, push }) => {
      push(parcel('0', 0), HONEST);
      at(100, () => {
        push(parcel('junk', 4_000_000_000), HOSTILE.slice(0, 1));
        push({ ...parcel('2', 2), sequence: 3_000_000_000 }, HOSTILE.slice(0, 1));
      });
      at(1_500, () => {
        push(parcel('2', 2), HONEST);
        push(parcel('3', 3), HONEST);
        push(parcel('4', 4), HONEST);
      });
      at(1_600, () => {
        push(parcel('1', 1), HONEST);
      });
    });
    // The copy under another number came first, and is taken once.
    expect(textsOf(came)).toEqual(['0', 'junk', '2', '1', '3', '4']);
  });

  it('has room for what others push, however much one host makes up', () => {
    const came = withInbox(({ at, push }) => {
      for (let index = 0; index < 500; index++) push(parcel(`junk ${index}`, 7), HOSTILE.slice(0, 1));
      at(10, () => {
        push(parcel('real', 0), HONEST);
      });
    });
    expect(came[0]).toEqual({ text: 'real', seenAt: TRUE, at: 10 });
  });
});
