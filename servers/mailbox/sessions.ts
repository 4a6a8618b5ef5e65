import { noop } from 'rxjs';
import { siteOf } from '../../lib/bounds/site.js';
import { SESSION_PROTOCOL } from '../../lib/signalling/carriers/mailbox-lines.js';
import { unguessable } from '../../lib/unguessable.js';
import { say } from '../http/answers.js';
import type { HttpService } from '../http/service.js';
import { NONCE_BYTES } from '../lines/client-lines.js';
import { sharedLines, type SharedLines } from '../lines/shared.js';
import { SocketLines } from '../lines/socket-lines.js';
import type { Mailbox } from './mailbox.js';
import { MailboxSession, type SessionContext } from './session.js';

/** All sessions of one mailbox. How they are spoken in is written at the top of `lib/signalling/carriers/mailbox-lines.ts`. */
export class Sessions {
  readonly #mailbox: Mailbox;
  readonly #lines: SharedLines;
  readonly #context: SessionContext;
  readonly #sessions = new Set<MailboxSession>();

  /** @param hosts the names by which clients know this server. `undefined`: it was not told any. */
  constructor(mailbox: Mailbox, hosts: ReadonlySet<string> | undefined) {
    const { runtime, limits } = mailbox;
    const { scheduler } = runtime;
    this.#mailbox = mailbox;
    this.#lines = sharedLines(limits, scheduler);
    this.#context = {
      mailbox,
      names: hosts ?? new Set(),
      lineRate: { perSecond: limits.linesPerSecond, burst: limits.lineBurst, now: () => scheduler.now() },
      timers: this.#lines.timers,
      outbox: this.#lines.outbox,
      newNonce: unguessable(NONCE_BYTES),
      gone: (session) => this.#sessions.delete(session),
    };
  }

  /** Below any path, as a proxy may have it. */
  readonly service: HttpService = ({ method, url, address, caller, response, upgrade }) => {
    if (method !== 'GET' || !url.pathname.endsWith('/mailbox/session')) return false;
    const site = siteOf(address);
    if (upgrade?.protocol !== SESSION_PROTOCOL) {
      response.setHeader('upgrade', SESSION_PROTOCOL);
      say(response, 426, `Expected an upgrade to ${SESSION_PROTOCOL}.\n`);
    } else if (this.#mailbox.isDraining) {
      this.#mailbox.watch.refused('mailbox', 'closing', site);
      say(response, 503, 'This server is being stopped.\n');
    } else if (!this.#mailbox.mayAsk(site)) {
      this.#mailbox.watch.refused('mailbox', 'too-often', site);
      say(response, 429, 'Too many requests from this address.\n');
    } else {
      const socket = upgrade.accept();
      socket.on('error', noop);
      const session = new MailboxSession(new SocketLines(socket, site, this.#lines), caller, this.#context);
      this.#sessions.add(session);
      session.begin();
    }
    return true;
  };

  /** Tells all clients to go elsewhere. */
  drain(): void {
    for (const session of this.#sessions) session.ended('closing');
  }

  close(): void {
    for (const session of this.#sessions) session.drop();
    this.#lines.close();
  }
}
