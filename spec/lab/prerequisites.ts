/** What the lab needs of a machine, and what this one lacks. */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const PROGRAMS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  tc: 'iproute2',
  sysctl: 'procps',
  nice: 'coreutils',
  mount: 'mount',
  nft: 'nftables',
  miniupnpd: 'miniupnpd-nftables',
  python3: 'python3',
};

/** In words, each with its remedy; empty when the lab can run. */
export const missingPrerequisites = (): string[] => {
  if (process.platform !== 'linux') return ['network namespaces, which only Linux has'];
  const programs = Object.keys(PROGRAMS).filter((name) => !isInstalled(name));
  return [
    ...(process.getuid?.() === 0 ? [] : ['root, to make network namespaces']),
    ...(existsSync('/dev/net/tun') ? [] : ['/dev/net/tun, for TAP devices']),
    ...programs.map((name) => `${name} (Debian package ${PROGRAMS[name] ?? name})`),
  ];
};

const isInstalled = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
