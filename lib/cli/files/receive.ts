import { createInterface } from 'node:readline/promises';
import { InvalidOptionError } from '../../errors.js';
import type { FilesOffer, ReceiveFilesOptions } from '../../files/interface.js';
import { receiveFiles$ } from '../../files/receive.js';
import { oneLine } from '../../words.js';
import type { DialOptions } from '../dialler.js';
import type { ReachableOptions } from '../terminal.js';
import { askedOnce } from './acceptance.js';
import { Display } from './display.js';
import { TransferReport } from './report.js';
import { dialPeer, waitForPeer, type Transfer } from './runs.js';
import { filesText, sizeText } from './text.js';

/** The options of `rxp2p receive`. */
export interface ReceiveOptions extends ReachableOptions, DialOptions {
  /** A file for the report as a page. */
  readonly report?: string;
  /** Whether the ticket is shown as a QR code, too. */
  readonly qr?: boolean;
  /** Whether a code is shown, come what may. Default: where there is a place to meet by one. */
  readonly code?: boolean;
  /** Whether the ticket is printed in its place. */
  readonly ticket?: boolean;
  readonly into: string;
  /** Whether all is taken that is offered. */
  readonly yes?: boolean;
  readonly existing: NonNullable<ReceiveFilesOptions['existing']>;
}

/** So many names are shown before it is asked. */
const SHOWN = 10;

/** `rxp2p receive`: receives files and folders from one peer. */
export async function receive(text: string | undefined, options: ReceiveOptions, version: string): Promise<void> {
  const { into, yes = false, json, existing } = options;
  if (!yes && !(process.stdin.isTTY && process.stderr.isTTY))
    throw new InvalidOptionError(
      'Nobody can be asked whether to take what is offered: there is no terminal. With --yes it is taken.',
    );
  const display = await Display.open(json, 'received');
  const story = new TransferReport({ file: options.report, title: 'rxp2p receive', version, report: display.report });
  let status = 1;
  const ask = askedOnce((offer, signal) => display.pausedFor(() => asked(offer, into, signal)));
  const accept = (offer: FilesOffer, signal: AbortSignal) => (yes ? true : ask(offer, signal));
  const transfer: Transfer = {
    side: (channel) => receiveFiles$(channel, { into, accept, existing }),
    display,
    onWhole: () => {
      status = 0;
    },
    onNet: story.onNet,
  };
  try {
    if (text !== undefined) await dialPeer(text, options, transfer);
    else await waitForPeer(options, transfer, { role: 'sender', command: 'rxp2p send PATH --to' });
  } finally {
    display.close();
  }
  story.write(status === 0);
  process.exitCode = status;
}

/** Shows what is offered, and asks whether to take it: the end of what is typed is no, as is the end of the transfer. */
async function asked({ entries, files, bytes }: FilesOffer, into: string, signal: AbortSignal): Promise<boolean> {
  const tops = entries.filter(({ path }) => !path.includes('/'));
  for (const { path, kind, size } of tops.slice(0, SHOWN))
    console.error(`  ${oneLine(path)}${kind === 'folder' ? '/' : `  ${sizeText(size)}`}`);
  if (tops.length > SHOWN) console.error(`  and ${tops.length - SHOWN} more`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // The terminal hands Ctrl-C to whoever reads lines from it.
  const over = new AbortController();
  terminal.once('SIGINT', () => {
    over.abort();
    process.kill(process.pid, 'SIGINT');
  });
  try {
    const question = `Receive ${filesText(files)}, ${sizeText(bytes)}, into ${into}? [y/N] `;
    return /^\s*y(?:es)?\s*$/iu.test(
      await terminal.question(question, { signal: AbortSignal.any([over.signal, signal]) }),
    );
  } catch {
    return false;
  } finally {
    terminal.close();
  }
}
