import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Kills a process that a spec has started, if it still runs. Resolves when it has ended. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
