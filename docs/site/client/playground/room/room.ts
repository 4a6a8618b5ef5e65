import { el } from '../../dom.js';
import { randomFrom } from '../nat.js';
import { Network, type MemberState, type Place } from './network.js';
import { Picture } from './picture.js';

/** Members at the start, and those that come at once. */
const [FIRST, MORE, MOST] = [24, 12, 84] as const;
/** How long a newcomer has until the next comes, in the room's time. */
const BETWEEN_MS = 120;
/** Enough for everybody to have found neighbours, and for a message to be everywhere, in the room's time. */
const SETTLE_MS = 6_000;
/** A message goes by five times as slowly as it would, to be seen. */
const SLOWER = 5;

/** Where nothing has come for so long, in milliseconds of the room, nothing more does: what is missed has been asked for by then. */
const MISSED_MS = 3_000;

/** The playground of rooms: members come and go, and a message spreads. */
export class RoomPlayground {
  readonly #random = randomFrom(7);
  readonly #network = new Network(this.#random);
  readonly #picture = new Picture();
  readonly #facts = el('dl', { class: 'facts' });
  readonly #said = el('p', { 'aria-live': 'polite', class: 'soft' }, 'Nothing has been said yet.');
  readonly #isCalm = matchMedia('(prefers-reduced-motion: reduce)');
  #told: string | undefined;
  #lastFrame: number | undefined;
  #isInView = false;
  #shown = '';

  constructor(root: HTMLElement) {
    const button = (words: string, run: () => void, isMain = false): HTMLElement => {
      const made = el('button', { type: 'button', class: isMain ? 'button' : 'button plain' }, words);
      made.addEventListener('click', run);
      return made;
    };
    const actions = el(
      'div',
      { class: 'room-actions', role: 'group', 'aria-label': 'The room' },
      button(
        'Somebody says something',
        () => {
          this.#publish();
        },
        true,
      ),
      button(`${MORE} more come`, () => {
        this.#come(MORE);
      }),
      button('A third is gone at once', () => {
        this.#lose();
      }),
    );
    root.append(actions, this.#picture.canvas, this.#said, this.#facts);
    this.#picture.canvas.addEventListener('click', (event) => {
      const member = this.#picture.memberAt(this.#network, event);
      if (member !== undefined) this.#publish(member);
    });
    this.#come(FIRST);
    this.#settle();
  }

  /** Draws it from now on; time goes by only while it is in view. */
  start(): void {
    new IntersectionObserver((entries) => {
      this.#isInView = entries.at(-1)?.isIntersecting === true;
    }).observe(this.#picture.canvas);
    this.#frame();
  }

  #come(count: number): void {
    for (let i = 0; i < count && this.#network.present.length < MOST; i++) {
      this.#network.join(this.#place());
      this.#network.runUntil(this.#network.now + BETWEEN_MS);
    }
    if (this.#isCalm.matches) this.#settle();
  }

  #lose(): void {
    const present = this.#network.present;
    for (const member of present.filter((_, i) => i % 3 === 1)) this.#network.lose(member);
    if (this.#isCalm.matches) this.#settle();
  }

  #publish(
    author: MemberState | undefined = this.#network.present[Math.floor(this.#random() * this.#network.present.length)],
  ): void {
    if (author === undefined) return;
    this.#network.publish(author);
    this.#told = undefined;
    if (this.#isCalm.matches) this.#settle();
  }

  #settle(): void {
    this.#network.runUntil(this.#network.now + SETTLE_MS);
  }

  /** Somewhere with some room around. */
  #place(): Place {
    const tries = Array.from({ length: 24 }, () => ({ x: this.#random(), y: this.#random() }));
    const room = (place: Place): number =>
      Math.min(
        1,
        ...this.#network.present.map((other) => Math.hypot(other.place.x - place.x, (other.place.y - place.y) * 0.65)),
      );
    return tries.reduce((best, next) => (room(next) > room(best) ? next : best), { x: 0.5, y: 0.5 });
  }

  #frame(): void {
    requestAnimationFrame((time) => {
      const passed = Math.min(100, time - (this.#lastFrame ?? time));
      this.#lastFrame = time;
      const isGoing = this.#isInView && !this.#isCalm.matches;
      if (isGoing) this.#network.runUntil(this.#network.now + passed / SLOWER);
      this.#picture.draw(this.#network);
      this.#tell();
      this.#frame();
    });
  }

  #tell(): void {
    const { present, ways, spread, now } = this.#network;
    const facts: [string, string][] = [
      ['members', String(present.length)],
      ['neighbours of each, on average', present.length === 0 ? '0' : ((2 * ways.length) / present.length).toFixed(1)],
      ['ways by which messages are pushed', String(ways.filter(({ isBranch }) => isBranch).length)],
    ];
    if (spread !== undefined) {
      facts.push(
        ['reached', `${spread.reached} of ${spread.members}`],
        ['in', `${Math.round(spread.lastMs - spread.startMs)} ms`],
        ['longest way', `${spread.hops} hops`],
        ['sent in full', `${(spread.copies / Math.max(1, spread.members - 1)).toFixed(2)} times a member`],
      );
    }
    const key = JSON.stringify(facts);
    if (key !== this.#shown) {
      this.#shown = key;
      this.#facts.replaceChildren(
        ...facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
      );
    }
    if (spread === undefined) return;
    // Where neighbours have just gone, the first that hears of it does so only when it is missed.
    const isOver = spread.reached >= spread.members || now - spread.lastMs > MISSED_MS;
    const told = `${spread.id} ${spread.reached}`;
    if (!isOver || this.#told === told) return;
    this.#told = told;
    this.#said.textContent = `The message has reached ${spread.reached} of ${spread.members} members in ${Math.round(spread.lastMs - spread.startMs)} ms, the last by ${spread.hops} hops.`;
  }
}
