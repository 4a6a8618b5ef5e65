import fc from 'fast-check';
import { Shares } from '../../../servers/mailbox/shares.js';

interface Entry {
  readonly site: string;
  readonly size: number;
  isCounted: boolean;
}

const LIMITS = { messages: 40, bytes: 250 };

/** Adds a newcomer of a site, or deletes one of the last that came, or has it come back. */
const step = fc.record({
  kind: fc.constantFrom('add', 'add', 'add', 'delete', 'delete', 'back'),
  site: fc.nat({ max: 2 }).map(String),
  size: fc.integer({ min: 1, max: 12 }),
  which: fc.nat({ max: 40 }),
});

function sum(entries: readonly Entry[], amountOf: (entry: Entry) => number): number {
  return entries.reduce((amount, entry) => amount + amountOf(entry), 0);
}

describe('shares of sites', () => {
  it('give way by the newest entry of a site that has most, and to nobody who would have as much', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
        const shares = new Shares<Entry>(LIMITS);
        const all: Entry[] = [];
        /** In the order in which they came, or came back. */
        let here: Entry[] = [];
        const add = (entry: Entry) => {
          entry.isCounted = true;
          here.push(entry);
          shares.add(entry);
        };
        const leave = (entry: Entry) => {
          entry.isCounted = false;
          here = here.filter((other) => other !== entry);
          shares.delete(entry);
        };
        for (const { kind, site, size, which } of steps) {
          const known = all.at(-1 - which);
          if (kind === 'delete' && known?.isCounted === true) leave(known);
          if (kind === 'back' && known?.isCounted === false) add(known);
          if (kind !== 'add') continue;
          const isCountFull = here.length >= LIMITS.messages;
          throwUnless(shares.hasRoomFor(size)).toBe(
            !isCountFull && sum(here, (entry) => entry.size) + size <= LIMITS.bytes,
          );
          if (!shares.hasRoomFor(size)) {
            const amountOf = (entry: Entry) => (isCountFull ? 1 : entry.size);
            const amount = (who: string) =>
              sum(
                here.filter((entry) => entry.site === who),
                amountOf,
              );
            const most = Math.max(0, ...here.map((entry) => amount(entry.site)));
            const victim = shares.givesWayTo({ site, size });
            const isGranted = amount(site) + (isCountFull ? 1 : size) < most;
            throwUnless(victim !== undefined).toBe(isGranted);
            if (victim === undefined) continue;
            throwUnless(amount(victim.site)).toBe(most);
            throwUnless(here.findLast((entry) => entry.site === victim.site) === victim).toBeTrue();
            leave(victim);
          }
          const entry = { site, size, isCounted: false };
          all.push(entry);
          add(entry);
        }
      }),
      { numRuns: 500 },
    );
  });
});
