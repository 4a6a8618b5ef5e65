import { InvalidOptionError, InvalidUnlError } from '../errors.js';

/** Wrong usage. */
export const WRONG_USAGE = 2;

/** There is a way, but no direct one. */
export const BY_RELAY_ONLY = 3;

/** What each status means. Every command ends with 2 after wrong usage. */
export type ExitStatuses = Readonly<Partial<Record<0 | 1 | 3, string>>>;

/** By which exit statuses each command ends. Its help, its man page and the documentation are made of it, or held to it. */
export const EXIT_STATUSES: Readonly<Record<string, ExitStatuses>> = {
  serve: { 0: 'the servers have ended in order', 1: 'a server cannot run' },
  listen: {
    0: 'it was interrupted; with --raw --once: every byte has gone and come',
    1: 'it cannot listen; with --raw --once: some bytes are missing',
  },
  connect: {
    0: 'the connection was closed in order, after all lines, or by Ctrl-C; with --raw: every byte has gone and come',
    1: 'no connection could be made, the peer refused it, or it was not closed in order; some of stdin was no line; with --raw: some bytes are missing',
  },
  join: { 0: 'it was interrupted', 1: 'it cannot listen' },
  room: { 0: 'it was interrupted', 1: 'it cannot listen, or cannot join the room' },
  send: { 0: 'the receiver has all files, verified', 1: 'some or all files were not received, or it was interrupted' },
  receive: {
    0: 'all files are there, verified, but for those that --existing skip leaves out',
    1: 'some or all files were not received, or it was interrupted',
  },
  expose: { 0: 'it was interrupted', 1: 'it cannot listen' },
  forward: { 0: 'it was interrupted', 1: 'the peer was not reached, or the local port cannot be listened on' },
  doctor: {
    0: 'peers behind ordinary home routers reach this node directly (dialled or by hole punching)',
    1: 'they do not reach it, nobody outside has tried, or it was interrupted',
    3: 'they reach it by a relay only',
  },
  ping: {
    0: 'there were answers; with --until-direct: one by a direct way',
    1: 'there was no answer, or the connection has ended',
    3: 'with --until-direct: every answer came by a relay',
  },
  completion: { 0: 'the script is printed' },
};

/** What 2 means, of every command. */
export const USAGE_WORDS = 'wrong usage: an option, a UNL, a ticket, a code or a configuration file is not valid';

/** The statuses of a command, in words, in order. */
export function exitStatusesOf(command: string): readonly (readonly [status: number, words: string])[] {
  const own = Object.entries(EXIT_STATUSES[command] ?? {}).map(([status, words]) => [Number(status), words] as const);
  return [...own, [WRONG_USAGE, USAGE_WORDS] as const].toSorted(([one], [other]) => one - other);
}

/** The exit status of a program that ends by an error: 2 after wrong usage, 1 when it did not work. */
export function statusOf(error: unknown): number {
  return error instanceof InvalidOptionError || error instanceof InvalidUnlError ? WRONG_USAGE : 1;
}
