import { noop, Subscription, type Observable } from 'rxjs';
import { Queue } from '../bounds/queue.js';
import { siteOf } from '../bounds/site.js';
import type { PeerId } from '../identity.js';
import { Latest } from '../operators/latest.js';
import type { UnlV3 } from '../unl/types.js';
import { endpointsIn } from '../unl/near.js';
import { Attendance } from './attendance.js';
import { KIND } from './author/message.js';
import { bytesPayload, textPayload } from './contents.js';
import { BURST, Delivery } from './delivery.js';
import { Doors, type DoorsHost } from './doors.js';
import type { EntryConfig } from './entry.js';
import { createGossip, type Gossip, type GossipInput, type GossipOutput } from './gossip.js';
import type { RoomNet } from './host.js';
import type { Room, RoomMember, RoomMessage } from './interface.js';
import type { Member } from './machine.js';
import { MESSAGE_MARGIN_BYTES, type ResolvedJoin } from './options.js';
import { Publisher } from './publisher.js';
import type { RoomKeys } from './secret.js';
import type { RoomStep } from './steps.js';
import { VouchedEndpoints } from './vouched.js';
import { wakeAt } from './wake.js';
import type { ReadMessage } from './wire/broadcast.js';
import { memberOf } from './wire/fields.js';
import { presencesOf } from './wire/messages.js';

/** A step without what is the same in all of a room. */
type UnnamedStep = RoomStep extends infer Step ? (Step extends RoomStep ? Omit<Step, 'type' | 'room'> : never) : never;

/** What a node says itself is more than the application's messages. */
const OWN_BURST = BURST - 1;

/** What a room that runs needs. */
export interface RunningRoomConfig {
  readonly net: RoomNet;
  readonly join: ResolvedJoin;
  readonly keys: RoomKeys;
  readonly secret: EntryConfig['secret'];
}

/** A room while this node is in it: the two pure protocols, plugged into connections. */
export class RunningRoom implements Room, DoorsHost {
  readonly name: string;
  readonly messages$: Observable<RoomMessage>;
  readonly members$: Observable<readonly RoomMember[]>;
  readonly neighbours$: Observable<readonly PeerId[]>;

  readonly #config: RunningRoomConfig;
  readonly #gossip: Gossip;
  readonly #doors: Doors;
  readonly #delivery: Delivery;
  readonly #publisher: Publisher;
  readonly #attendance: Attendance;
  readonly #vouched: VouchedEndpoints;
  readonly #running = new Subscription();
  readonly #neighbours = new Latest<readonly PeerId[]>();
  readonly #up = new Set<PeerId>();
  /** Where those are to whom there is a channel: what they show is counted by it. */
  readonly #sites = new Map<PeerId, string>();
  readonly #inputs = new Queue<GossipInput>();
  /** How many messages have been checked: those that had not been here before. */
  #checks = 0;
  #isHandling = false;
  /** It leaves `soon`: as soon as what is being done is done; what it does to leave may have somebody ask for it again. */
  #leaving: 'no' | 'soon' | 'now' = 'no';
  #hasLeft = false;
  #wake: { readonly at: number; readonly timer: Subscription } | undefined;

  constructor(config: RunningRoomConfig) {
    const { net, join, keys, secret } = config;
    const { limits } = join;
    const { scheduler, random, timeOfDay } = net.runtime;
    const { topic, channel } = keys;
    const now = () => scheduler.now();
    const perSecond = limits.messagesPerSecond;
    this.#config = config;
    this.name = join.name;
    this.neighbours$ = this.#neighbours.value$;
    this.#neighbours.next([]);
    const { activeView, history } = join;
    this.#gossip = createGossip({
      self: this.#self(),
      random,
      options: { activeView, history, messageBytes: limits.messageBytes + MESSAGE_MARGIN_BYTES },
    });
    this.#doors = new Doors({
      net,
      topic,
      channel,
      secret,
      self: () => this.#self(),
      perSecond: limits.neighbourPerSecond,
      host: this,
    });
    const { identity } = net;
    this.#delivery = new Delivery({
      join,
      topic,
      own: identity.peerId,
      runtime: net.runtime,
      heard: (signed, by) => {
        this.#attendance.onMessage(signed, this.#siteOf(by));
      },
    });
    this.messages$ = this.#delivery.messages$;
    this.#publisher = new Publisher({ identity, topic, perSecond, burst: OWN_BURST * perSecond, now, timeOfDay });
    this.#attendance = new Attendance({
      own: identity.peerId,
      most: limits.members,
      runtime: net.runtime,
      isGenuine: (signed, bytes) => this.#delivery.isGenuine(signed, bytes),
      sign: (payload) => this.#publisher.signHere(payload),
      neighbours: () => this.#up,
      show: (to, records) => {
        // The others take as long a message as the application may say.
        for (const message of presencesOf(records, limits.messageBytes)) this.#doors.send(to, message);
      },
    });
    this.members$ = this.#attendance.members$;
    this.#vouched = new VouchedEndpoints(() => ({ own: endpointsIn(net.own()), isOnLink: net.isOnLink }));
  }

  /** Joins. */
  start(): void {
    const { net, keys } = this.#config;
    this.#running.add(
      net.channels$(keys.channel).subscribe({
        next: (channel) => {
          this.#doors.accept(channel);
        },
        error: noop,
      }),
    );
    this.#running.add(
      net.own$.subscribe({
        next: () => {
          this.#handle({ type: 'moved', self: this.#self() });
        },
        error: noop,
      }),
    );
    this.#running.add(
      net.find(keys.topic, net.unl$).subscribe({
        next: (unls) => {
          this.#onFound(unls);
        },
        error: noop,
      }),
    );
  }

  /** Leaves: tells the others, and closes the channels after that. */
  leave(): void {
    if (this.#leaving === 'now') return;
    if (this.#isHandling) {
      this.#leaving = 'soon';
      return;
    }
    this.#leaving = 'now';
    this.#say(KIND.leave, NOTHING);
    this.#handle({ type: 'leave' });
    this.#hasLeft = true;
    this.#running.unsubscribe();
    this.#wake?.timer.unsubscribe();
    this.#delivery.stop();
    this.#doors.closeAll();
    this.#delivery.complete();
    this.#attendance.close();
    this.#neighbours.complete();
  }

  publish(text: string): boolean {
    return this.#say(KIND.text, textPayload(text, this.#config.join.limits.messageBytes)) !== undefined;
  }

  publishBytes(bytes: Uint8Array): boolean {
    return this.#say(KIND.bytes, bytesPayload(bytes, this.#config.join.limits.messageBytes)) !== undefined;
  }

  /** See {@link DoorsHost}. */
  onOpened(member: Member, site: string): void {
    this.#sites.set(member.id, site);
    this.#handle({ type: 'opened', member, site });
  }

  /** See {@link DoorsHost}. */
  onFailed(id: PeerId): void {
    this.#trace({ step: 'failed', peerId: id });
    this.#handle({ type: 'failed', id });
  }

  /** See {@link DoorsHost}. */
  onClosed(id: PeerId): void {
    this.#sites.delete(id);
    this.#handle({ type: 'closed', id });
  }

  /** See {@link DoorsHost}. */
  readonly onMessage: DoorsHost['onMessage'] = (from, message) => {
    if (message.type === 'presence') {
      const isFair = !this.#up.has(from) || this.#attendance.onShown(from, this.#siteOf(from), message.messages);
      if (!isFair) this.#handle({ type: 'suspect', id: from });
      return;
    }
    const checks = this.#checks;
    this.#handle({ type: 'received', from, message });
    if (message.type !== 'gossip') return;
    const { id } = message.message;
    this.#trace({ step: 'received', peerId: from, id, hops: message.round, isCopy: this.#checks === checks });
  };

  /** See {@link DoorsHost}. */
  onMet(id: PeerId, address: string): void {
    this.#vouched.met(id, address);
  }

  /** A message may be delivered after its neighbour has gone: those count as one site. */
  #siteOf(neighbour: PeerId): string {
    return this.#sites.get(neighbour) ?? siteOf(undefined);
  }

  #self(): Member {
    return memberOf(this.#config.net.own());
  }

  #onFound(found: readonly UnlV3[]): void {
    for (const unl of found) this.#vouched.found(unl);
    if (found.length > 0) this.#handle({ type: 'found', members: found.map((unl) => memberOf(unl)) });
  }

  /** Takes one thing after the other: what is done may have the next thing happen at once. */
  #handle(input: GossipInput): void {
    if (this.#hasLeft) return;
    this.#inputs.push(input);
    if (this.#isHandling) return;
    this.#isHandling = true;
    const { scheduler } = this.#config.net.runtime;
    try {
      for (let next = this.#inputs.take(); next !== undefined; next = this.#inputs.take())
        for (const output of this.#gossip.handle(next, scheduler.now())) this.#do(output);
    } finally {
      // An error ends what has led to it, and not the room.
      this.#isHandling = false;
      if (this.#leaving === 'soon') this.leave();
      else this.#wakeLater();
    }
  }

  #do(output: GossipOutput): void {
    switch (output.type) {
      case 'dial':
        this.#trace({ step: 'dialled', peerId: output.member.id });
        this.#doors.dial(output.member.id, this.#vouched.locatorOf(output.member.id, output.member.unl));
        break;
      case 'send':
        this.#doors.send(output.to, output.message);
        break;
      case 'close':
        this.#sites.delete(output.id);
        this.#doors.close(output.id);
        break;
      case 'up':
        this.#onUp(output.id);
        break;
      case 'down':
        this.#up.delete(output.id);
        this.#trace({ step: 'down', peerId: output.id });
        // When it leaves, nobody is missing.
        if (this.#leaving !== 'now') this.#neighbours.next([...this.#up]);
        break;
      case 'check':
        this.#check(output);
        break;
      case 'deliver':
        this.#delivery.deliver(output);
        break;
    }
  }

  #onUp(id: PeerId): void {
    this.#up.add(id);
    this.#attendance.onNeighbour(id);
    this.#trace({ step: 'up', peerId: id });
    this.#neighbours.next([...this.#up]);
  }

  #trace(step: UnnamedStep): void {
    this.#config.net.trace({ type: 'room', room: this.name, ...step });
  }

  #check(output: Extract<GossipOutput, { readonly type: 'check' }>): void {
    const { from, message } = output;
    this.#checks++;
    this.#delivery.check(output, (verdict) => {
      this.#handle({ type: 'checked', id: message.id, from, verdict });
    });
  }

  #say(kind: number, payload: Uint8Array): ReadMessage | undefined {
    const message = this.#hasLeft ? undefined : this.#publisher.sign(kind, payload);
    if (message === undefined) return undefined;
    this.#handle({ type: 'publish', message });
    return message;
  }

  #wakeLater(): void {
    const at = this.#gossip.wakeAt;
    if (at === this.#wake?.at) return;
    this.#wake?.timer.unsubscribe();
    this.#wake = undefined;
    if (at === undefined) return;
    const { scheduler } = this.#config.net.runtime;
    const wake = () => {
      this.#wake = undefined;
      this.#handle({ type: 'wake' });
    };
    this.#wake = { at, timer: wakeAt(scheduler, at, wake) };
  }
}

const NOTHING = new Uint8Array(0);
