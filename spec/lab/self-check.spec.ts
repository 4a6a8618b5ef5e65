import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { labRun } from './lab-run.js';
import { NETWORKS, SHARED_NETWORKS, type Router, type SharedNetwork } from './networks.js';
import { checkNetwork, checkShared, type Finding } from './self-check.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';

/** Each check mostly waits for packets that never come, so many fit side by side. */
const PARALLEL = 10;

/** Where not everything is shown. */
const FEW_LIES = 4;

/** One of the networks takes more than a minute, and all of them keep a machine busy. */
const CHECK_LIMIT_MS = 2 * LAB_LIMIT_MS;

// That the networks are what they say is shown by `npm run lab -- check`, also in CI: here, that it would find it out if they were not.
describe('The lab’s self-check', () => {
  const run = labRun();

  /** Networks that are not what they say: built for real, and compared with the description of the true ones. */
  const lies: Readonly<Record<string, { check: () => Promise<Finding[]>; wrong: string[] }>> = {
    'a random NAT that says that it preserves ports': {
      check: () => checkNetwork(run(), NETWORKS.random, NETWORKS.preserving),
      wrong: ['IPv4 mapping', 'IPv4 ports'],
    },
    'a silent gateway that says that it speaks UPnP': {
      check: () => checkNetwork(run(), NETWORKS['upnp-off'], NETWORKS['upnp-igd2']),
      wrong: ['upnp', 'nat-pmp', 'pcp'],
    },
    'a carrier without a NAT': {
      check: () => checkNetwork(run(), { ...NETWORKS.cgnat, routers: NETWORKS.preserving.routers }, NETWORKS.cgnat),
      wrong: ['IPv4 addresses on the way out'],
    },
    'a NAT with some ports of a few that says that they are random': {
      check: () => {
        const nft = replaced(NETWORKS.random.routers[0].nft, 'masquerade fully-random', 'meta l4proto tcp masquerade to :20000-20999 fully-random'); // prettier-ignore
        return checkNetwork(run(), { ...NETWORKS.random, routers: [{ inside: 'private', nft }] }, NETWORKS.random);
      },
      wrong: ['IPv4 ports'],
    },
    'a router without a limit that says that it lets out 20 new flows a second': {
      check: () => checkNetwork(run(), NETWORKS.preserving, NETWORKS['syn-limit']),
      wrong: ['60 new flows at once'],
    },
    'a router that remembers a connection but says that it forgets it': {
      check: () => checkNetwork(run(), NETWORKS.preserving, { ...NETWORKS.preserving, forgetsAfterS: 1 }),
      wrong: ['a connection after 6 s of silence'],
    },
    'a NAT with ports of its own choice, that says that they are the same for every destination': {
      check: () => checkNetwork(run(), NETWORKS.random, NETWORKS.remapping),
      wrong: ['IPv4 mapping', 'IPv4 ports'],
    },
    'a NAT with ports of the whole range that says that it has blocks': {
      check: () => checkNetwork(run(), NETWORKS.random, NETWORKS['port-block']),
      wrong: ['IPv4 ports'],
    },
    'a host whose home router’s route is used, and not that of its VPN': {
      check: () => checkNetwork(run(), NETWORKS.preserving, NETWORKS.vpn),
      wrong: ['IPv4 addresses on the way out'],
    },
    'a router that hairpins with the internal source': {
      check: () => checkShared(run(), withRouter(SHARED_NETWORKS.hairpin, ' ct status dnat snat to $WAN', ' accept')),
      wrong: ['source of a hairpinned SYN'],
    },
    'a router that hairpins, without a firewall': {
      check: () => checkShared(run(), withRouter(SHARED_NETWORKS.hairpin, 'iifname "wan" drop', 'accept')),
      wrong: ['IPv4 unsolicited SYN'],
    },
    'homes without a firewall behind one carrier': {
      check: () => {
        const own = SHARED_NETWORKS['same-cgnat-hairpin'].own.map((home) => open(home));
        return checkShared(run(), { ...SHARED_NETWORKS['same-cgnat-hairpin'], own });
      },
      wrong: ['SYN to the external endpoint, unasked for', 'SYN to the home next door'],
    },
    'homes with random ports behind one carrier': {
      check: () => {
        const own = NETWORKS.random.routers;
        return checkShared(run(), { ...SHARED_NETWORKS['same-cgnat'], own });
      },
      wrong: ['IPv4 mapping', 'IPv4 ports'],
    },
  };

  it(
    'finds out networks that are not what they say',
    async () => {
      needsLab();
      const found = from(fewOf(Object.entries(lies), Object.entries(lies).slice(0, FEW_LIES))).pipe(
        mergeMap(async ([lie, { check, wrong }]) => ({ lie, wrong, seen: wrongOnes(await check()) }), PARALLEL),
        toArray(),
      );
      for (const { lie, wrong, seen } of await lastValueFrom(found)) expect(seen).withContext(lie).toEqual(wrong);
    },
    CHECK_LIMIT_MS,
  );
});

const wrongOnes = (findings: readonly Finding[]): string[] => findings.filter(({ ok }) => !ok).map(({ what }) => what);

/** A mutation that changes nothing would prove nothing. */
const replaced = (nft: string, from: string, to: string): string => {
  if (!nft.includes(from)) throw new Error(`Expected \`${from}\` among the rules: ${nft}`);
  return nft.replaceAll(from, to);
};

const withRouter = (network: SharedNetwork, from: string, to: string): SharedNetwork => ({
  ...network,
  router: { ...network.router, nft: replaced(network.router.nft, from, to) },
});

const open = (router: Router): Router => ({ ...router, nft: replaced(router.nft, 'iifname "wan" drop', 'accept') });
