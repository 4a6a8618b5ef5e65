import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of a fixed size, which a spec can fill. */
export interface SmallDisk {
  /** The path of a file on it. */
  readonly path: (file: string) => string;
  /** Writes until nothing more fits, or so many bytes more. */
  readonly fill: (left?: number) => void;
  /** Gives the room that was filled back. */
  readonly free: () => void;
}

/** Says aloud why a spec with a small disk can't run here; where everything is required, that is a failure. */
export function needsSmallDisk(): void {
  const isPossible = process.platform === 'linux' && spawnSync('unshare', ['-m', 'true']).status === 0;
  if (isPossible) return;
  const why = 'a small disk needs Linux, root, and the program unshare (Debian package util-linux)';
  if (process.env['RXP2P_REQUIRE_ALL'] === '1') throw new Error(why);
  pending(why);
}

/**
 * Gives each spec of a suite a disk of its own, made when it is asked for. It is mounted in the namespace of a process that does
 * nothing else, and reached by way of that: when the process ends, however it does, nothing is left behind.
 */
export function smallDisks(): (size: string) => Promise<SmallDisk> {
  const holders: { readonly child: ChildProcess; readonly folder: string }[] = [];
  afterEach(async () => {
    for (const { child, folder } of holders.splice(0)) {
      child.stdin?.end();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      rmdirSync(folder);
    }
  });
  return async (size) => {
    const folder = mkdtempSync(join(tmpdir(), 'rxp2p-disk-'));
    const script = `mount -t tmpfs -o size=${size} tmpfs ${folder} && echo mounted && exec cat`;
    const child = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    holders.push({ child, folder });
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    if (child.exitCode !== null) throw new Error('The small disk could not be mounted');
    const path = (file: string) => join(`/proc/${child.pid ?? 0}/root`, folder, file);
    return {
      path,
      fill: (left = 0) => {
        fill(path('filler'), left);
      },
      free: () => {
        rmSync(path('filler'));
      },
    };
  };
}

function fill(path: string, left: number): void {
  const file = openSync(path, 'a');
  try {
    // First by pages, as tmpfs counts.
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch {
    // It is full.
  } finally {
    if (left > 0) ftruncateSync(file, fstatSync(file).size - left);
    closeSync(file);
  }
}
