/** Makes a plan real: namespaces, links, addresses, rules, routers' daemons; programs in its hosts; and takes it all down. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { command } from './command.js';
import { argv, configuration, READY } from './miniupnpd.js';
import { removeNamespaces } from './namespace.js';
import { netem, wireProgram, type PathConfig, type Wire } from './path.js';
import { addressOf, hostsFile, PREFIX, wayOut, type LinkEnd, type Node, type Plan } from './plan.js';
import { Program } from './processes.js';
import { script, step } from './script.js';
import { within } from './within.js';

/** Far longer than anything here takes, on a busy machine too: it never came. */
const START_MS = 60_000;

/** Between two looks whether links are up: they take a few milliseconds. */
const UP_POLL_MS = 5;
const DOWN = / state (DOWN|LOWERLAYERDOWN|DORMANT) /;

export interface Place {
  /** What the names of its namespaces begin with. */
  readonly prefix: string;
  /** Where its files go. */
  readonly directory: string;
  readonly wire: Wire;
}

export class Topology {
  readonly plan: Plan;
  readonly path: PathConfig;
  readonly #place: Place;
  readonly #daemons = new Map<string, Program>();

  private constructor(plan: Plan, path: PathConfig, place: Place) {
    this.plan = plan;
    this.path = path;
    this.#place = place;
  }

  static async build(plan: Plan, path: PathConfig, place: Place): Promise<Topology> {
    const topology = new Topology(plan, path, place);
    try {
      await topology.#build();
      return topology;
    } catch (failure) {
      await topology.close();
      throw failure;
    }
  }

  namespace(node: string): string {
    return `${this.#place.prefix}${node}`;
  }

  /** Starts a program in a host, where the servers have names, as everywhere on this internet: see {@link serverName}. */
  run(host: string, argv: readonly string[], env?: NodeJS.ProcessEnv): Program {
    return this.#start(host, this.named(argv), env);
  }

  /** A command that runs another with the servers' names known: in a namespace of its own, so that nobody else's are touched. */
  named(argv: readonly string[]): string[] {
    return ['sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', this.#hostsFile, ...argv];
  }

  /** The address that a node sends to `destination` from, before any NAT. */
  async sourceAddress(node: string, destination: string): Promise<string> {
    const route = await command('ip', ['-n', this.namespace(node), 'route', 'get', destination]);
    return / src (\S+)/.exec(route)?.[1] ?? 'none';
  }

  /** What a router has mapped, a line of its nft rules each. */
  async mappings(router: string): Promise<string[]> {
    const table = await this.#exec(this.#node(router), ['nft', 'list', 'table', 'inet', 'miniupnpd']);
    return table
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.startsWith('iif "wan" ') && line.includes('dport'));
  }

  /** When each of a router's mappings runs out, in seconds since the epoch. */
  leases(router: string): number[] {
    const file = join(this.#directory(router), 'leases');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    return lines.flatMap((line) => {
      const expiry = Number(line.split(':')[4]);
      return expiry > 0 ? [expiry] : [];
    });
  }

  /** Ends a router's daemon, forgets all that it had mapped, and starts it anew. Gives what was mapped before it started. */
  async restartMappings(router: string): Promise<string[]> {
    const node = this.#node(router);
    await this.#daemons.get(router)?.kill();
    rmSync(join(this.#directory(router), 'leases'), { force: true });
    await this.#exec(node, ['nft', 'flush chain inet miniupnpd mapped; flush chain inet miniupnpd mapped_forward']);
    const left = await this.mappings(router);
    await this.#serveMappings(node);
    return left;
  }

  /** Takes a node's cable or line to the outside away; with it go its routes, and of a router what it had masqueraded. */
  async unplug(node: string): Promise<void> {
    await this.#ip(this.#node(node), [`link set ${this.#outside(node)} down`]);
  }

  /** Puts it back, and does what a DHCP client would. */
  async plug(name: string): Promise<void> {
    const node = this.#node(name);
    await this.#ip(node, [`link set ${this.#outside(name)} up`]);
    await this.#ip(node, this.#numbering(node, 'replace'));
    await this.#untilUp([node]);
  }

  /** Gives a host another number on its network, as a DHCP server may. Tells which address it has now. */
  async readdress(host: string, number: number): Promise<string> {
    const node = this.#node(host);
    const device = this.#outside(host);
    const [before, ...others] = node.addresses;
    if (before?.family !== 4 || others.length > 0) throw new Error(`Expected ${host} to have one address, of IPv4`);
    const after = before.address.replace(/\d+$/, String(number));
    await this.#ip(node, [
      `addr del ${before.address}/${PREFIX[4]} dev ${device}`,
      `addr add ${after}/${PREFIX[4]} dev ${device}`,
      ...node.routes.map(({ to, via }) => `route replace ${to} via ${via}`),
    ]);
    return after;
  }

  /** Drops every packet between two nodes without a word, wherever on the internet they would meet; what others carry goes on. */
  async cut(one: string, other: string): Promise<void> {
    const [from, to] = [one, other].map((name) => addressOf(this.plan, this.#outermost(name), 4));
    const table = `
table ip cut {
  chain forward {
    type filter hook forward priority filter
    ip saddr ${from} ip daddr ${to} drop
    ip saddr ${to} ip daddr ${from} drop
  }
}`;
    await this.#exec(this.#node('internet'), ['nft', '-f', '-'], table);
  }

  /** Lets them through again. */
  async mend(): Promise<void> {
    await this.#exec(this.#node('internet'), ['nft', 'delete', 'table', 'ip', 'cut']);
  }

  async close(): Promise<void> {
    await removeNamespaces(this.#place.prefix);
  }

  get #hostsFile(): string {
    return join(this.#place.directory, `${this.#place.prefix}hosts`);
  }

  async #build(): Promise<void> {
    const nodes = [...this.plan.nodes.values()];
    writeFileSync(this.#hostsFile, hostsFile(this.plan));
    await script([
      step(['ip', '-batch', '-'], batch(nodes.map(({ name }) => `netns add ${this.namespace(name)}`))),
      ...nodes.map((node) => step([...this.#inside(node), 'sysctl', '-qw', ...sysctls(node)])),
      ...this.#linking(),
    ]);
    if (this.#place.wire === 'tap') await this.#wire();
    await script(
      nodes.flatMap((node) => {
        // The kernel has settings of connections where something watches them.
        const { sysctls: settings = [] } = node.router ?? {};
        return [
          step(['ip', '-n', this.namespace(node.name), '-batch', '-'], batch(this.#addressing(node))),
          step([...this.#inside(node), 'nft', '-f', '-'], rules(this.plan, node)),
          ...(settings.length > 0 ? [step([...this.#inside(node), 'sysctl', '-qw', ...settings])] : []),
        ];
      }),
    );
    await this.#untilUp(nodes);
    await Promise.all(nodes.map((node) => this.#serveMappings(node)));
  }

  #lines(): (readonly [LinkEnd, LinkEnd])[] {
    return this.plan.links.filter(({ kind }) => kind === 'line').map(({ ends }) => ends);
  }

  #linking(): string[] {
    const isNetem = this.#place.wire === 'netem';
    const veths = this.plan.links.filter(({ kind }) => kind === 'cable' || isNetem).map(({ ends }) => ends);
    const added = veths.map(([one, other]) => `link add ${this.#veth(one)} type veth peer ${this.#veth(other)}`);
    const slowed = isNetem ? this.#lines().flat() : [];
    return [
      step(['ip', '-batch', '-'], batch(added)),
      ...slowed.map(({ node, device }) =>
        step(['tc', '-n', this.namespace(node), '-batch', '-'], batch([netem(device, this.path)])),
      ),
    ];
  }

  /** Has a program of the lab's be the lines. */
  async #wire(): Promise<void> {
    const ends = ({ node, device }: LinkEnd) => ({ namespace: this.namespace(node), device });
    const program = wireProgram(
      this.#lines().map(([one, other]) => [ends(one), ends(other)] as const),
      this.path,
    );
    const ready = this.#start('internet', program).line((text) => text === 'ready');
    await within(START_MS, ready);
  }

  #veth({ node, device }: LinkEnd): string {
    return `name ${device} netns ${this.namespace(node)}`;
  }

  #addressing(node: Node): string[] {
    const ports = this.plan.links.flatMap(({ ends }) => ends).filter((end) => end.node === node.name);
    return [
      'link set lo up',
      ...[...node.bridges].flatMap(([bridge, members]) => [
        `link add ${bridge} type bridge`,
        `link set ${bridge} up`,
        ...members.map((member) => `link set ${member} master ${bridge}`),
      ]),
      ...ports.map(({ device }) => `link set ${device} up`),
      ...this.#numbering(node, 'add'),
    ];
  }

  #numbering(node: Node, how: 'add' | 'replace'): string[] {
    return [
      ...node.addresses.map(({ device, address, family }) =>
        [`addr ${how} ${address}/${PREFIX[family]} dev ${device}`, family === 6 ? 'nodad' : ''].join(' '),
      ),
      ...node.routes.map(({ to, via, metric = 0 }) => `route ${how} ${to} via ${via} metric ${metric}`),
      ...this.#neighbours(node),
    ];
  }

  /** A node's device towards the internet. */
  #outside(name: string): string {
    const device = wayOut(this.plan, name)[0]?.ends[0].device;
    if (device === undefined) throw new Error(`There is nothing outside of ${name}`);
    return device;
  }

  /** The node, or the router before it, that the internet sees. */
  #outermost(name: string): string {
    return wayOut(this.plan, name).at(-1)?.ends[0].node ?? name;
  }

  /** A router knows who is at the other end of its access line; asking first would make whoever sends first look slow. */
  #neighbours({ name, families }: Node): string[] {
    const lines = this.plan.links.filter(({ kind }) => kind === 'line');
    return lines.flatMap(({ ends: [inner, outer] }, i) => {
      if (name !== inner.node && name !== outer.node) return [];
      const [here, there] = name === inner.node ? [inner, outer] : [outer, inner];
      const mac = (end: LinkEnd) => `02:00:00:00:${i.toString(16).padStart(2, '0')}:0${end === inner ? 1 : 2}`;
      const addresses = this.plan.nodes.get(there.node)?.addresses ?? [];
      return [
        `link set ${here.device} address ${mac(here)}`,
        ...addresses
          .filter(({ device, family }) => device === there.device && families.includes(family))
          .map(({ address }) => `neigh replace ${address} lladdr ${mac(there)} dev ${here.device} nud permanent`),
      ];
    });
  }

  /** The kernel brings links up in its own time, and until then a bridge or a cable drops what it should carry. */
  async #untilUp(nodes: readonly Node[]): Promise<void> {
    const look = nodes.map(({ name }) => step(['ip', '-n', this.namespace(name), '-oneline', 'link', 'show', 'up']));
    const deadline = performance.now() + START_MS;
    for (let shown = await script(look); DOWN.test(shown); shown = await script(look)) {
      if (performance.now() > deadline) throw new Error(`The links did not come up within ${START_MS} ms:\n${shown}`);
      await delay(UP_POLL_MS);
    }
  }

  async #serveMappings(node: Node): Promise<void> {
    if (node.router?.miniupnpd === undefined) return;
    const directory = this.#directory(node.name);
    mkdirSync(directory, { recursive: true });
    const file = join(directory, 'miniupnpd.conf');
    const settings = node.router.miniupnpd.replace('$EXTERNAL', addressOf(this.plan, this.#outermost(node.name), 4));
    writeFileSync(file, configuration('lan0', settings, directory, node.families.includes(6)));
    const daemon = this.#start(node.name, argv(file, directory));
    this.#daemons.set(node.name, daemon);
    await within(
      START_MS,
      daemon.line((text) => READY.test(text), daemon.stderr$),
    );
  }

  #directory(node: string): string {
    return join(this.#place.directory, `${this.#place.prefix}${node}`);
  }

  #node(name: string): Node {
    const node = this.plan.nodes.get(name);
    if (node === undefined) throw new Error(`There is no ${name} in this topology`);
    return node;
  }

  #start(node: string, argv: readonly string[], env?: NodeJS.ProcessEnv): Program {
    return new Program(this.namespace(node), argv, env);
  }

  #ip(node: Node, lines: readonly string[]): Promise<string> {
    return command('ip', ['-n', this.namespace(node.name), '-batch', '-'], batch(lines));
  }

  #exec(node: Node, argv: readonly string[], input?: string): Promise<string> {
    const [file, ...args] = this.#inside(node);
    return command(file, [...args, ...argv], input);
  }

  /** What a command begins with that is to run there. */
  #inside(node: Node): [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.namespace(node.name)];
  }
}

const batch = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** The planned addresses and routes are all there is: nothing is configured by itself. */
const sysctls = ({ families, router }: Node): string[] => [
  ...(router === undefined ? [] : ['net.ipv4.ip_forward=1']),
  ...(families.includes(6)
    ? [
        'net.ipv6.conf.default.accept_dad=0',
        'net.ipv6.conf.default.accept_ra=0',
        `net.ipv6.conf.all.forwarding=${router === undefined ? 0 : 1}`,
      ]
    : ['net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1']),
];

const rules = (plan: Plan, { name, families, router }: Node): string => {
  const nft = router?.nft ?? '';
  return nft.includes('$WAN') && families.includes(4) ? `define WAN = ${addressOf(plan, name, 4)}\n${nft}` : nft;
};
