import { sendFiles$ } from '../../files/send.js';
import { walk } from '../../files/walk.js';
import type { DialOptions } from '../dialler.js';
import type { ReachableOptions } from '../terminal.js';
import { Display } from './display.js';
import { TransferReport } from './report.js';
import { dialPeer, waitForPeer, type Transfer } from './runs.js';
import { filesText, sizeText } from './text.js';

/** The options of `rxp2p send`. */
export interface SendOptions extends ReachableOptions, DialOptions {
  /** A file for the report as a page. */
  readonly report?: string;
  /** Whether the ticket is shown as a QR code, too. */
  readonly qr?: boolean;
  /** Whether a code is shown, come what may. Default: where there is a place to meet by one. */
  readonly code?: boolean;
  /** Whether the ticket is printed in its place. */
  readonly ticket?: boolean;
  /** The ticket of a receiver that waits, or its locator. */
  readonly to?: string;
  /** Whether symbolic links are sent as links. */
  readonly keepLinks?: boolean;
  readonly compress: boolean;
}

/** `rxp2p send`: sends files and folders to one peer. */
export async function send(paths: readonly string[], options: SendOptions, version: string): Promise<void> {
  const { to, json, keepLinks = false, compress } = options;
  const links = keepLinks ? 'keep' : 'refuse';
  // What cannot be sent is told before anybody waits.
  const { files, bytes } = await sumOf(paths, links);
  const display = await Display.open(json, 'sent');
  const story = new TransferReport({ file: options.report, title: 'rxp2p send', version, report: display.report });
  let status = 1;
  const transfer: Transfer = {
    side: (channel) => sendFiles$(channel, paths, { links, compress }),
    display,
    onWhole: ({ skipped }) => {
      // What the receiver has kept another file in the place of, it does not have.
      if (skipped === 0) status = 0;
    },
    onNet: story.onNet,
  };
  display.report('files', { files, bytes }, `${filesText(files)}, ${sizeText(bytes)}`);
  try {
    if (to !== undefined) await dialPeer(to, options, transfer);
    else await waitForPeer(options, transfer, { role: 'receiver', command: 'rxp2p receive' });
  } finally {
    display.close();
  }
  story.write(status === 0);
  process.exitCode = status;
}

/** How much there is to send. What was found is not kept: it is looked for anew when the peer is there. */
async function sumOf(paths: readonly string[], links: 'refuse' | 'keep'): Promise<{ files: number; bytes: number }> {
  const sum = { files: 0, bytes: 0 };
  for (const { entry } of await walk(paths, links, new AbortController().signal)) {
    if (entry.kind !== 'file') continue;
    sum.files++;
    sum.bytes += entry.size;
  }
  return sum;
}
