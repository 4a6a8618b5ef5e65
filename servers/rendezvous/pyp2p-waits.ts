import { parsePyp2pReply } from '../../lib/pyp2p/wire/rendezvous-messages.js';
import { formatReply } from '../../lib/rendezvous/messages.js';
import type { ChannelListener } from '../store/store.js';
import type { Due, Timer } from '../timers.js';
import type { ServerSession, Waiting } from './session.js';

/** How long a candidate waits for the answer of a node, in milliseconds: as long as PyP2P's. */
export const CANDIDATE_MS = 120_000;

/** The line to an evicted candidate. */
export const GAVE_WAY = formatReply({
  verb: 'REFUSED',
  code: 'table-full',
  words: 'a candidate gave way to a newcomer: most of those that wait for its node come from this address',
});

/** Forwards each line on a channel that it expects to a client, until newer listeners evict it or it leaves. */
abstract class ChannelWait implements ChannelListener, Waiting {
  constructor(
    readonly session: ServerSession,
    readonly channel: string,
  ) {}

  begin(): void {
    const { session, channel } = this;
    session.waiting ??= new Map();
    session.waiting.set(channel, this);
    session.forwarding.join(channel, this);
    Promise.resolve(session.store.listen(channel, this)).catch(() => {
      session.close();
    });
  }

  /** Whether a line is one that servers say on this channel. */
  abstract isExpected(line: string): boolean;

  heard(line: string): void {
    if (this.isExpected(line)) this.session.say(line);
    else this.session.dropStray('notice');
  }

  unheard(): void {
    this.session.close();
  }

  gaveWay(): void {
    this.end();
  }

  end(): void {
    const { session, channel } = this;
    session.waiting?.delete(channel);
    session.store.leave(channel, this);
    session.forwarding.leave(channel, this);
  }
}

/** A simultaneous node waits for candidates, as long as its session lasts. */
export class CandidateWait extends ChannelWait {
  override begin(): void {
    this.session.isListed = true;
    super.begin();
  }

  override isExpected(line: string): boolean {
    const verb = parsePyp2pReply(line)?.verb;
    return verb === 'CHALLENGE' || verb === 'RECONNECT';
  }

  override gaveWay(): void {
    super.gaveWay();
    this.session.decline('table-full', 'too many nodes at this address wait for candidates, and newer ones are told');
  }

  override end(): void {
    super.end();
    const { session, channel } = this;
    session.isListed = false;
    if (session.forwarding.listenersOf(channel) === 0) session.forget('simultaneous', session.remote.address);
  }
}

/** A candidate waits for the answer of a node, for some time. */
export class AnswerWait extends ChannelWait implements Due {
  readonly #late: Timer = this.session.timers.of(this);

  override begin(): void {
    super.begin();
    this.#late.start(CANDIDATE_MS);
  }

  override isExpected(line: string): boolean {
    return parsePyp2pReply(line)?.verb === 'FIGHT' || line === GAVE_WAY;
  }

  override end(): void {
    super.end();
    this.#late.stop();
  }

  due(): void {
    this.end();
  }
}
