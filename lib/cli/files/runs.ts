import {
  concat,
  EMPTY,
  endWith,
  filter,
  ignoreElements,
  map,
  merge,
  noop,
  takeWhile,
  tap,
  type Observable,
} from 'rxjs';
import type { Channel } from '../../connection/connection.js';
import { FILES_CHANNEL } from '../../files/transfer.js';
import type { Net } from '../../net/interface.js';
import { createNet } from '../../net.js';
import { expectPlace, hasPlace, shownCode$, type ShownCodeConfig } from '../by-code.js';
import { diallerOf, type DialOptions } from '../dialler.js';
import { reportConnection, reportNode } from '../node-report.js';
import { print } from '../stdout.js';
import { configOf, eachUnl$, identityOf, lanOf, runUntilInterrupted, type ReachableOptions } from '../terminal.js';
import type { Display } from './display.js';
import { dialled$, served$, shown$, type OnWhole, type Side } from './going.js';
import { readTicket, secretChannel } from './ticket.js';
import { ticketInstead$, type PairedByCode } from './ticket-instead.js';
import { showAttempts } from './ways.js';

/** A transfer that a command carries out. */
export interface Transfer {
  /** What this side does on the channel. */
  readonly side: Side;
  readonly display: Display;
  /** Called when nothing has failed, with what has become of the files. */
  readonly onWhole: OnWhole;
  /** Called with the net, before it does anything. */
  readonly onNet: (net: Net) => void;
}

/** How a peer is told where to come. */
interface WaitOptions extends ReachableOptions {
  readonly qr?: boolean;
  /** Whether a code is shown, come what may. Default: where there is a place to meet by one. */
  readonly code?: boolean;
  /** Whether the ticket is printed, and no code is shown unless it is asked for. */
  readonly ticket?: boolean;
}

/**
 * Waits for a peer that has the code, or the ticket, whichever is printed, and carries out a transfer with it.
 *
 * @param peer what the peer is, and by which command it comes.
 */
export async function waitForPeer(
  options: WaitOptions,
  { side, display, onWhole, onNet }: Transfer,
  peer: { readonly role: string; readonly command: string },
): Promise<void> {
  const { report } = display;
  const { code = options.ticket !== true && hasPlace(options) } = options;
  if (code) expectPlace(options);
  const isTicketPrinted = !code || options.ticket === true;
  // Lasting where the ticket is what the peer is given: a ticket of another time opens nothing where a code is shown.
  const isLasting = isTicketPrinted || options.qr === true;
  const { channel, ticketOf } = secretChannel(isLasting ? identityOf(options) : undefined);
  // On the local network everybody who is there would learn the locator: only where the user says so, or where a code is of use nowhere else.
  const isOnlyHere = code && (options.rendezvous ?? []).length === 0;
  const lan = isOnlyHere ? lanOf(options) : (options.lan ?? false);
  const net = createNet({ mode: 'direct', ...configOf({ ...options, lan }) });
  onNet(net);
  reportNode(net, report);
  display.phase('looking at the network');
  const waiting = `waiting for the ${peer.role}`;
  const forThePeer = (ticket: string) => `for the ${peer.role}: ${peer.command} ${ticket}`;
  const ready$ = eachUnl$(
    net,
    async (unl) => {
      const ticket = ticketOf(unl);
      const words = isTicketPrinted ? forThePeer(ticket) : undefined;
      if (isTicketPrinted) await print(ticket);
      report('ready', { ticket, unl, peerId: net.peerId }, words);
      if (options.qr === true) await display.qr(ticket);
      display.phase(waiting);
    },
    report,
  );
  const watching = net.connections$.subscribe({
    next: (connection) => {
      reportConnection(connection, 0, report);
    },
    error: noop,
  });
  const how = { command: peer.command, servers: options.rendezvous, isPrinted: !isTicketPrinted };
  const byCode = code ? channelsByCode(net, how, display) : NO_CODE;
  const instead$ = ticketInstead$(byCode, net.unl$.pipe(map(ticketOf)), async (ticket) => {
    if (isTicketPrinted) return;
    await print(ticket);
    report('ticket', { ticket }, forThePeer(ticket));
  });
  // A code is good once: the command that has typed it has ended, and another is another peer.
  const final = isTicketPrinted ? (['refused'] as const) : (['refused', 'exists'] as const);
  const step$ = served$(merge(net.channels$(channel), byCode.channel$), side, display, waiting, final);
  const isOver$ = shown$(step$, display, onWhole).pipe(ignoreElements(), endWith(true));
  await runUntilInterrupted(
    net,
    merge(isOver$, merge(ready$, concat(byCode.shown$, instead$)).pipe(map(() => false))).pipe(
      takeWhile((isOver) => !isOver),
    ),
  );
  watching.unsubscribe();
}

const NO_CODE: ByCode = { channel$: EMPTY, shown$: EMPTY, paired: new Set(), arrived: new Set() };

/** A code that is shown. */
interface ByCode extends PairedByCode {
  /** The channels of who has typed it. */
  readonly channel$: Observable<Channel>;
  readonly shown$: Observable<unknown>;
}

/** Shows a code: who types it learns the locator alone, and comes by the channel that has no secret, which is for nobody else. */
function channelsByCode(
  net: Net,
  how: Pick<ShownCodeConfig, 'command' | 'servers' | 'isPrinted'>,
  { report }: Display,
): ByCode {
  const [paired, arrived] = [new Set<string>(), new Set<string>()];
  const channel$ = net.channels$(FILES_CHANNEL).pipe(
    filter((channel) => {
      const { peerId } = channel.connection;
      if (!paired.has(peerId)) {
        channel.reset(0, 'this takes the ticket, or the code');
        return false;
      }
      arrived.add(peerId);
      return true;
    }),
  );
  const shown$ = shownCode$(net, { ...how, report }).pipe(
    tap(({ peerId }) => {
      paired.add(peerId);
    }),
  );
  return { channel$, shown$, paired, arrived };
}

/** Dials the peer of a ticket, of a code, or of a locator, and carries out a transfer with it. */
export async function dialPeer(
  text: string,
  options: DialOptions,
  { side, display, onWhole, onNet }: Transfer,
): Promise<void> {
  const { unl, channel } = readTicket(text);
  const { net, connect$ } = diallerOf(unl, options, display.report);
  onNet(net);
  showAttempts(net, display);
  display.phase('looking at the network');
  await runUntilInterrupted(net, shown$(dialled$(connect$, channel, side, display), display, onWhole));
}
