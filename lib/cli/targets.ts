import { formatServer, parseServer, readPort, type ServerAddress } from '../endpoint.js';
import { InvalidOptionError } from '../errors.js';

/** A TCP service that `rxp2p expose` leads to. */
export interface Target extends ServerAddress {
  /** Its place on the command line, from 1. */
  readonly number: number;
  /** What it was called there, or else `HOST:PORT`. */
  readonly name: string;
}

const GIVEN = /^(?:(?<name>[^=]*)=)?(?<server>.*)$/s;

/**
 * Reads the services of the command line, each `[NAME=]HOST:PORT`, or `[NAME=]PORT` on this machine.
 *
 * @throws InvalidOptionError for a text that is none, and for two of one name.
 */
export function readTargets(texts: readonly string[]): Target[] {
  const targets = texts.map((text, index) => {
    const { name, server = '' } = GIVEN.exec(text)?.groups ?? {};
    const port = readPort(server);
    const address = port === undefined ? parseServer('HOST:PORT', server) : { host: 'localhost', port };
    if (name !== undefined && (name === '' || /^\d+$/.test(name)))
      throw new InvalidOptionError(`Expected a name with a letter before \`=\`, got \`${text}\`: numbers are places`);
    return { ...address, number: index + 1, name: name ?? formatServer(address) };
  });
  const twice = targets.find(({ name }, index) => targets.findIndex((other) => other.name === name) < index);
  if (twice !== undefined)
    throw new InvalidOptionError(`Expected services of different names, got \`${twice.name}\` twice`);
  return targets;
}

/** The name of the channels that lead to a service, by what a peer calls it: its name or its number. */
export function channelNameOf(target: string | number): string {
  return `tcp ${target}`;
}
