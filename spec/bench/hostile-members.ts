// What members of a room do in a process in which all of them are hostile: they join as others do, and say other things.
import { randomBytes } from 'node:crypto';
import { createIdentity, type PeerId } from '../../lib/identity.js';
import { streamOf } from '../../lib/rooms/author/message.js';
import { Doors } from '../../lib/rooms/doors.js';
import type { Member } from '../../lib/rooms/machine.js';
import { MAX_MEMBERS, NONCES } from '../../lib/rooms/overlay/messages.js';
import { ReadMessage } from '../../lib/rooms/wire/broadcast.js';
import { memberOf } from '../../lib/rooms/wire/fields.js';
import { isBroadcast, MAX_PRESENCE, type WireMessage } from '../../lib/rooms/wire/messages.js';
import { hereBy, signedBy, topicOf } from '../rooms/support.js';
import { unlOf } from '../support/locators.js';

/** What a hostile member does. It keeps its views as honest ones do, so that it is among them, but for what is said here. */
interface Hostility {
  /** What it says to a neighbour in the place of what an honest member would. */
  readonly corrupt: (message: WireMessage) => readonly WireMessage[];
  /** Between two of its attacks, in milliseconds. */
  readonly everyMs: number;
  /** What it says to all neighbours then. */
  readonly harm: () => readonly WireMessage[];
}

/** The room and whom its members are told of. */
interface Target {
  readonly room: string;
  /** Where those live who do not exist, … */
  readonly bystander: { readonly address: string; readonly port: number };
  /** … of whom all hostile members tell the same. */
  readonly invented: readonly PeerId[];
}

/** Takes part in the overlay, and passes on no message. */
const dropping = (): Hostility => ({
  corrupt: (message) => (isBroadcast(message) ? [] : [message]),
  everyMs: 60_000,
  harm: () => [],
});

/** Names members that do not exist, wherever it can, and shows that they are there. */
const lying = ({ room, bystander, invented }: Target): Hostility => {
  const members = (): readonly Member[] =>
    Array.from({ length: MAX_MEMBERS }, () =>
      memberOf(
        unlOf({
          peerId: invented[Math.floor(Math.random() * invented.length)] ?? '',
          nodeType: 'passive',
          endpoints: [{ kind: 'wan', ...bystander }],
        }),
      ),
    );
  const shown = (): WireMessage => ({
    type: 'presence',
    messages: Array.from({ length: MAX_PRESENCE }, () => hereBy(createIdentity(), said(room))),
  });
  const shuffle = (): WireMessage => ({ type: 'shuffle', nonce: nonce(), ttl: 3, members: members() });
  return {
    corrupt: (message) => {
      if (message.type === 'shuffle' || message.type === 'shuffle-answer' || message.type === 'neighbour-answer')
        return [{ ...message, members: members() }];
      if (message.type === 'forward-join') return members().map((member) => ({ ...message, member }));
      return message.type === 'presence' ? [shown()] : [message];
    },
    everyMs: 1_000,
    harm: () => [shuffle(), shown(), ...members().map((member) => ({ type: 'forward-join' as const, ttl: 0, member }))],
  };
};

/** Says what it has heard again and again. */
const replaying = (): Hostility => {
  const heard: WireMessage[] = [];
  return {
    corrupt: (message) => {
      if (message.type === 'gossip' || message.type === 'presence') heard.push(message);
      if (heard.length > 100) heard.splice(Math.floor(Math.random() * heard.length), 1);
      return [message];
    },
    everyMs: 200,
    harm: () => {
      const message = heard[Math.floor(Math.random() * heard.length)];
      return message === undefined ? [] : [message];
    },
  };
};

/** Says what was never said, in the name of others and of whom it has made up, and much of everything else. */
const flooding = (target: Target): Hostility => {
  const { room } = target;
  const lies = lying(target);
  const gossip = (bytes: Buffer): WireMessage => ({ type: 'gossip', round: 1, message: new ReadMessage(bytes) });
  const forged = () => {
    const bytes = signedBy(createIdentity(), { ...said(room), payload: randomBytes(1_024) });
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    return bytes;
  };
  const madeUp = () => signedBy(createIdentity(), { ...said(room), payload: randomBytes(1_024) });
  return {
    corrupt: (message) => (isBroadcast(message) ? [] : [message]),
    everyMs: 500,
    harm: () => [gossip(forged()), ...Array.from({ length: 5 }, () => gossip(madeUp())), ...lies.harm()],
  };
};

/** Announces what there is, as if it had come by the shortest way, and what there is not, and delivers nothing. */
const announcing = (): Hostility => {
  const announce = (id: string): WireMessage => ({ type: 'announce', announced: [{ id, round: 1, length: 1_024 }] });
  return {
    corrupt: (message) => {
      if (message.type === 'gossip') return [announce(message.message.id)];
      return isBroadcast(message) && message.type !== 'announce' ? [] : [message];
    },
    everyMs: 1_000,
    harm: () => [announce(randomBytes(16).toString('base64url'))],
  };
};

const KINDS: readonly [(target: Target) => Hostility, ...((target: Target) => Hostility)[]] = [
  dropping,
  lying,
  replaying,
  flooding,
  announcing,
];

/** Has every member of this process be hostile from now on, one of each kind in its turn. */
export function turnHostile(target: Target): void {
  const honest = Reflect.get(Doors.prototype, 'send');
  const send = (doors: Doors, to: PeerId, message: WireMessage) => {
    Reflect.apply(honest, doors, [to, message]);
  };
  const all = new WeakMap<Doors, { readonly hostility: Hostility; readonly neighbours: Set<PeerId> }>();
  let count = 0;
  const of = (doors: Doors) => {
    const known = all.get(doors);
    if (known !== undefined) return known;
    const made = { hostility: (KINDS[count++ % KINDS.length] ?? KINDS[0])(target), neighbours: new Set<PeerId>() };
    all.set(doors, made);
    setInterval(() => {
      // To those that are gone nothing is sent.
      for (const id of made.neighbours) for (const message of made.hostility.harm()) send(doors, id, message);
    }, made.hostility.everyMs);
    return made;
  };
  Doors.prototype.send = function (to: PeerId, message: WireMessage): void {
    const { hostility, neighbours } = of(this);
    neighbours.add(to);
    for (const each of hostility.corrupt(message)) send(this, to, each);
  };
}

/** What is said now, for a room. */
function said(room: string) {
  return { topic: topicOf(room), at: Date.now(), stream: streamOf(Date.now(), randomBytes(2)) };
}

function nonce(): number {
  return Math.floor(Math.random() * NONCES);
}
