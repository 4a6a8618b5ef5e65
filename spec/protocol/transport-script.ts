import { DEFAULT_LIMITS, DEFAULT_TIMING } from '../../lib/config.js';
import { PeerConnection } from '../../lib/connection/peer-connection.js';
import { contextOf } from '../../lib/connection/start.js';
import type { FramedLink } from '../../lib/link/framed-link.js';
import { encodeFrame } from '../../lib/link/frames.js';
import { decodeHello } from '../../lib/link/handshake.js';
import { systemRuntime } from '../../lib/runtime.js';
import { settled, VirtualClock, VirtualLink } from '../connection/virtual-links.js';
import { bytesOf, fieldsOf, listOf, numberOf, textOf, type Fields } from './vectors.js';

/** What a node is told of each step of a script, and what it does then. */
interface Done {
  /** The frames that it sends, by the names of the links. */
  readonly sends: Record<string, Buffer[]>;
  readonly lines: string[];
  /** The code with which the connection has ended. */
  ended?: string;
}

/**
 * Plays a script to one side of a connection, as `docs/protocol/transport.md` describes it: what the other side sends, and what happens
 * to the links. Emits what this side sends after each step. Time passes only where the script says so.
 */
export async function framesSentIn({ connection: id, isControlling, steps }: Fields): Promise<readonly Done[]> {
  const clock = new VirtualClock();
  const links = new Map<string, VirtualLink>();
  const all: Done[] = [];
  let done: Done = { sends: {}, lines: [] };
  let connection: PeerConnection | undefined;

  const linkNamed = (name: unknown): VirtualLink => {
    const link = links.get(textOf(name));
    if (link === undefined) throw new Error(`No link is called ${String(name)}`);
    return link;
  };

  const open = (name: string, isDirect: boolean): FramedLink => {
    const link = new VirtualLink(name, isDirect);
    links.set(name, link);
    link.here.attach({
      frame: ({ type, payload }) => {
        (done.sends[name] ??= []).push(encodeFrame(type, payload));
      },
      heard: () => undefined,
      written: () => undefined,
      closed: () => undefined,
    });
    link.here.setFlowing(true);
    return link.there;
  };

  const begin = (framed: FramedLink, direction: 'inbound' | 'outbound') => {
    const runtime = { ...systemRuntime, scheduler: clock, newId: () => PING };
    const start = {
      id: textOf(id),
      direction,
      confirmed: direction === 'inbound',
      isControlling: isControlling === true,
    };
    connection = new PeerConnection(
      framed,
      start,
      contextOf({ timing: DEFAULT_TIMING, limits: DEFAULT_LIMITS }, runtime),
    );
    connection.lines$.subscribe((line) => done.lines.push(line));
    connection.closed$.subscribe(({ code }) => {
      done.ended = code;
    });
  };

  for (const step of listOf(steps)) {
    done = { sends: {}, lines: [] };
    all.push(done);
    const { does, link, isDirect, hello, bytes, text, ms } = fieldsOf(step);
    switch (does) {
      case 'dial': {
        const framed = open(textOf(link), isDirect === true);
        if (connection === undefined) begin(framed, 'outbound');
        else connection.offer(framed);
        break;
      }
      case 'be dialled': {
        const framed = open(textOf(link), isDirect === true);
        if (connection === undefined) begin(framed, 'inbound');
        else connection.take(framed, decodeHello(Buffer.from(textOf(hello))));
        break;
      }
      case 'receive':
        linkNamed(link).here.link.stream.write(bytesOf(bytes));
        break;
      case 'send':
        connection?.send(textOf(text));
        break;
      case 'lose':
        linkNamed(link).tell(1);
        break;
      case 'wait':
        clock.pass(numberOf(ms));
        break;
      case 'close':
        connection?.close();
        break;
      default:
        throw new Error(`Nothing is called ${String(does)} in a script`);
    }
    for (let turn = 0; turn < TURNS; turn++) {
      await settled();
      for (const each of links.values()) each.carry(Infinity, Infinity);
    }
    await settled();
  }
  // What comes of putting an end to it is no part of the script.
  done = { sends: {}, lines: [] };
  connection?.destroy();
  for (const each of links.values()) each.cut(true);
  return all;
}

/** What the node's pings carry. */
const PING = 'AAAAAAAAAAAAAAAAAAAAAA';

/** There and back again, so that all that follows from a step is done before the next. */
const TURNS = 3;
