import { Subscription } from 'rxjs';
import { createInbox, type Arrived, type Inbox } from '../../lib/dht/inbox.js';
import { toParts, type Part } from '../../lib/dht/messages.js';
import { createIdentity } from '../../lib/identity.js';
import { marbles } from '../support/marbles.js';

const [TRUE, FALSE] = ['192.0.2.1', '203.0.113.66'];
const HOSTS = Array.from({ length: 20 }, (_, index) => `198.51.100.${index}`);
const HONEST = HOSTS.slice(0, 10);
const HOSTILE = HOSTS.slice(18);

/** A parcel that is one part. */
function parcel(text: string): Part {
  const [part] = toParts(Buffer.from(text));
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

  it('emits a parcel at once when enough hosts have pushed it, in any order', () => {
    const came = withInbox(({ at, push }) => {
      for (const [index, text] of ['two', 'one', 'three'].entries()) {
        at(index * 10, () => {
          push(parcel(text), HONEST);
        });
      }
    });
    expect(came).toEqual([
      { text: 'two', seenAt: TRUE, at: 0 },
      { text: 'one', seenAt: TRUE, at: 10 },
      { text: 'three', seenAt: TRUE, at: 20 },
    ]);
  });

  it('emits a parcel once, however often it is pushed', () => {
    const came = withInbox(({ at, push }) => {
      for (const ms of [0, 10, 20_000]) {
        at(ms, () => {
          push(parcel('once'), HONEST);
        });
      }
    });
    expect(came).toEqual([{ text: 'once', seenAt: TRUE, at: 0 }]);
  });

  it('does not believe two hosts about a sender’s address when only these two got its parcel', () => {
    const came = withInbox(({ push }) => {
      push(parcel('forged'), HOSTILE, FALSE);
    });
    expect(came).toEqual([{ text: 'forged', seenAt: undefined, at: 300 }]);
  });

  it('trusts a single host, where there is no other', () => {
    const came = withInbox(({ push }) => {
      push(parcel('by one'), HOSTS.slice(0, 1));
    }, 1);
    expect(came).toEqual([{ text: 'by one', seenAt: TRUE, at: 0 }]);
  });

  it('has room for the pushes of others, however many parcels one host invents', () => {
    const came = withInbox(({ at, push }) => {
      for (let index = 0; index < 500; index++) push(parcel(`junk ${index}`), HOSTILE.slice(0, 1));
      at(10, () => {
        push(parcel('real'), HONEST);
      });
    });
    expect(came[0]).toEqual({ text: 'real', seenAt: TRUE, at: 10 });
  });
});
