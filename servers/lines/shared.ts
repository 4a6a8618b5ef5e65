import type { SchedulerLike } from 'rxjs';
import { ByteShares } from '../../lib/bounds/byte-shares.js';
import { Timers } from '../timers.js';
import { Unread, type UnreadLimits } from '../unread.js';
import { UNANSWERED_BYTES, type LinesShared } from './client-lines.js';
import { Outbox } from './outbox.js';

/** What the lines of all clients of a server share, until it is closed. */
export interface SharedLines extends LinesShared {
  close(): void;
}

/** Makes what the lines of all clients of a server share. */
export function sharedLines(limits: UnreadLimits, scheduler: SchedulerLike): SharedLines {
  const timers = new Timers(scheduler);
  const unread = new Unread(limits, scheduler);
  return {
    timers,
    unread,
    outbox: new Outbox(),
    unanswered: new ByteShares(UNANSWERED_BYTES),
    close: () => {
      unread.close();
      timers.close();
    },
  };
}
