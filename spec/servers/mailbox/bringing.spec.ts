import { randomBytes } from 'node:crypto';
import { systemRuntime } from '../../../lib/runtime.js';
import { Outbox } from '../../../servers/lines/outbox.js';
import { Bringing } from '../../../servers/mailbox/bringing.js';
import { DEFAULT_MAILBOX_LIMITS } from '../../../servers/mailbox/limits.js';
import { Mailbox } from '../../../servers/mailbox/mailbox.js';
import { forgetfulStore } from '../../../servers/mailbox/store.js';
import { unwatched } from '../../../servers/watch.js';
import { heapUsed } from '../../support/heap.js';

const [RECEIVERS, MESSAGES, MESSAGE_BYTES] = [30, 12, 16_384];

describe('What brings a receiver its messages', () => {
  it('keeps nothing of one that was not acknowledged but its receipt', async () => {
    let now = systemRuntime.timeOfDay();
    const runtime = { ...systemRuntime, timeOfDay: () => now };
    const limits = { ...DEFAULT_MAILBOX_LIMITS, putBurst: 1_000 };
    const mailbox = new Mailbox({ store: forgetfulStore, shared: undefined, limits, runtime, watch: unwatched });
    const outbox = new Outbox();
    const before = heapUsed();
    let brought = 0;
    const all: Bringing[] = [];
    for (let count = 0; count < RECEIVERS; count++) {
      const owner = `receiver ${count}`;
      const bringing = new Bringing({ owner, bring: () => brought++ }, mailbox, outbox);
      all.push(bringing);
      bringing.begin([]);
      for (let id = 0; id < MESSAGES; id++) {
        const message = randomBytes(MESSAGE_BYTES).toString('base64url');
        const seenAt = `198.51.100.${count}`;
        const outcome = await mailbox.put({ from: 'sender', to: owner, id: `${id}`, keepMs: 1, message, seenAt });
        expect(outcome).toEqual({ isPresent: false });
      }
      bringing.soon();
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      now += 1_000;
      await mailbox.sweep();
    }
    expect(brought).toBe(RECEIVERS * MESSAGES);
    // All of them have 6 MB.
    expect(heapUsed() - before).toBeLessThan(2_000_000);
    for (const bringing of all) bringing.close();
    mailbox.close();
  });
});
