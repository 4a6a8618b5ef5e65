import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { firstValueFrom, tap, type Observable } from 'rxjs';
import {
  FILES_CHANNEL,
  receiveFiles$,
  sendFiles$,
  type Channel,
  type FilesStep,
  type ReceiveFilesOptions,
  type SendFilesOptions,
} from '../../lib/index.js';
import type { Lab } from './nodes.js';

/** What one side of a transfer has told, and how it has ended: `undefined` where all went well. */
export interface Told {
  readonly steps: readonly FilesStep[];
  readonly error: unknown;
}

/** Subscribes to one side of a transfer, to its end. */
export function told(step$: Observable<FilesStep>, onStep: (step: FilesStep) => void = () => undefined): Promise<Told> {
  return new Promise((resolve) => {
    const steps: FilesStep[] = [];
    step$.pipe(tap(onStep)).subscribe({
      next: (step) => steps.push(step),
      error: (error: unknown) => {
        resolve({ steps, error });
      },
      complete: () => {
        resolve({ steps, error: undefined });
      },
    });
  });
}

/** The two ends of a channel of files, between nodes of their own. */
export async function filesChannels(lab: Lab): Promise<{ readonly sending: Channel; readonly receiving: Channel }> {
  const { here, there } = await lab.pair();
  const arriving = firstValueFrom(there.channels$(FILES_CHANNEL));
  const receiving = here.openChannel(FILES_CHANNEL);
  return { receiving, sending: await arriving };
}

/** Sends files from one node to another. */
export async function transferred(
  lab: Lab,
  paths: readonly string[],
  options: ReceiveFilesOptions,
  sendOptions: SendFilesOptions = {},
): Promise<{ readonly sender: Told; readonly receiver: Told }> {
  const { sending, receiving } = await filesChannels(lab);
  const [sender, receiver] = await Promise.all([
    told(sendFiles$(sending, paths, sendOptions)),
    told(receiveFiles$(receiving, options)),
  ]);
  return { sender, receiver };
}

/** Writes files; a path that ends with a slash is an empty folder. */
export function writeTree(root: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [path, content] of Object.entries(files)) {
    if (path.endsWith('/')) mkdirSync(join(root, path), { recursive: true });
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
  }
}

/** All that is in a folder: of files a digest, of links the target; a folder ends with a slash. */
export function treeOf(root: string, folder = ''): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const name of readdirSync(join(root, folder)).toSorted()) {
    const path = join(folder, name);
    const stats = lstatSync(join(root, path));
    if (stats.isDirectory()) Object.assign(tree, { [`${path}/`]: '' }, treeOf(root, path));
    else if (stats.isSymbolicLink()) tree[path] = `→ ${readlinkSync(join(root, path))}`;
    else
      tree[path] = createHash('sha1')
        .update(readFileSync(join(root, path)))
        .digest('hex');
  }
  return tree;
}
