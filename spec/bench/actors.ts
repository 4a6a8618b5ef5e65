import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What processes tell each other. */
export type Values = Readonly<Record<string, string | number>>;

/** What a child process does when asked, by the name of the question. */
export type Handlers = Readonly<Record<string, (values: Values) => Values | Promise<Values>>>;

/** Makes a child process ready to be asked. */
export type Role = (kind: string) => Handlers | Promise<Handlers>;

/** A child process, as its parent sees it. */
export interface Actor {
  /** Rejects when the child cannot answer, dies, or takes too long. */
  ask(question: string, values?: Values): Promise<Values>;
  /** Ends the process; resolves when it is gone. */
  end(): Promise<void>;
  /** Kills the process, which has no time to say anything; resolves when it is gone. */
  kill(): Promise<void>;
}

/** Starts a child process in a role of the benchmark that is measured. */
export type Start = (role: string, kind: string) => Actor;

/** No question takes longer than this, on a machine that is fit to measure on. */
const ANSWER_WITHIN_MS = 120_000;

/** A child that has not left by itself after this time is killed: it may have a profile to write. */
const LEAVE_WITHIN_MS = 10_000;

/**
 * Lends child processes to an action and ends them afterwards, whatever happened. Each is a fresh Node, so that none
 * inherits compiled code, garbage or memory from what was measured before it.
 */
export async function withActors<T>(benchmark: string, action: (start: Start) => Promise<T>): Promise<T> {
  const actors: Actor[] = [];
  try {
    return await action((role, kind) => {
      const actor = startActor([benchmark, role, kind]);
      actors.push(actor);
      return actor;
    });
  } finally {
    await Promise.all(actors.map((actor) => actor.end()));
  }
}

/** The text that was told under a name. */
export function textOf(values: Values, name: string): string {
  const value = values[name];
  if (typeof value !== 'string') throw new TypeError(`Expected the text \`${name}\`, got ${typeof value}`);
  return value;
}

/** The number that was told under a name. */
export function numberOf(values: Values, name: string): number {
  const value = values[name];
  if (typeof value !== 'number') throw new TypeError(`Expected the number \`${name}\`, got ${typeof value}`);
  return value;
}

/** Whether something from another process is what processes tell each other. */
export function isValues(message: unknown): message is Values {
  return (
    typeof message === 'object' &&
    message !== null &&
    Object.values(message).every((value) => typeof value === 'string' || typeof value === 'number')
  );
}

function startActor(args: readonly string[]): Actor {
  // Node hands its own options on, such as `--cpu-prof`.
  const child = fork(fileURLToPath(new URL('./actor.js', import.meta.url)), args);
  return {
    ask: async (question, values = {}) => {
      const answered = new AbortController();
      const { signal } = answered;
      // Not `AbortSignal.any`, whose timeout Node 20 may collect as garbage before it comes.
      const overdue = setTimeout(() => {
        answered.abort(new Error('it took too long'));
      }, ANSWER_WITHIN_MS);
      const died = once(child, 'exit', { signal }).then(() => {
        throw new Error('it died');
      });
      child.send({ ...values, question });
      try {
        const answer = await Promise.race([nextMessage(child, signal), died]);
        if (!isValues(answer)) throw new TypeError('it said something else');
        if (answer['failure'] !== undefined) throw new Error(String(answer['failure']));
        return answer;
      } catch (cause) {
        throw new Error(`The process ${args.join(' ')} did not answer ${question}`, { cause });
      } finally {
        clearTimeout(overdue);
        answered.abort();
      }
    },
    end: () => end(child),
    kill: async () => {
      const gone = once(child, 'exit');
      if (child.kill('SIGKILL')) await gone;
    },
  };
}

async function nextMessage(child: ChildProcess, signal: AbortSignal): Promise<unknown> {
  const messages: unknown[] = await once(child, 'message', { signal });
  return messages[0];
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  if (child.connected) child.disconnect();
  const overdue = setTimeout(() => child.kill('SIGKILL'), LEAVE_WITHIN_MS);
  await gone;
  clearTimeout(overdue);
}
