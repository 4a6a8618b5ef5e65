import { DEFAULT_LIMITS, DEFAULT_TIMING, type NetConfig } from '../lib/config.js';
import { resolveConfig } from '../lib/config/resolve.js';
import { InvalidOptionError } from '../lib/errors.js';
import { createIdentity } from '../lib/identity.js';
import { localAddresses } from '../lib/self/locator.js';
import { callWith } from './support/thrown.js';

describe('a configuration', () => {
  it('needs no more than a mode', () => {
    const config = resolveConfig({ mode: 'direct' });
    expect(config).toEqual({
      mode: 'direct',
      identity: config.identity,
      bind: undefined,
      port: 0,
      forwarded: false,
      portMapping: ['pcp', 'nat-pmp', 'upnp'],
      birthday: true,
      reachability: [],
      relay: [],
      rendezvous: [],
      mailbox: [],
      ca: undefined,
      dht: [],
      stun: [],
      mqtt: [],
      lan: false,
      turn: [],
      security: 'tls',
      provesKeys: true,
      acceptPeer: config.acceptPeer,
      slots: { inbound: 1024, outbound: 1024 },
      timing: DEFAULT_TIMING,
      limits: DEFAULT_LIMITS,
      signal: undefined,
    });
    expect(config.acceptPeer('anybody')).toBeTrue();
    expect(resolveConfig({ mode: 'direct' }).identity.peerId).not.toBe(config.identity.peerId);
  });

  it('binds to a link-local address by its zone', () => {
    expect(resolveConfig({ mode: 'direct', bind: 'FE80::1%eth0' }).bind).toBe('fe80::1%eth0');
    expect(localAddresses('fe80::1%eth0')).toEqual(['fe80::1']);
  });

  it('is refused with slots of a direction that does not exist', () => {
    // As a program without types would write it.
    const slots: object = { inbounds: 3 };
    expect(() => resolveConfig({ mode: 'direct', slots })).toThrowError(
      InvalidOptionError,
      'Expected `slots` to be made of inbound, outbound, got `inbounds`',
    );
  });

  it('of a flooding network has more inbound slots than outbound ones, so that there is room for newcomers', () => {
    expect(resolveConfig({ mode: 'p2p' }).slots).toEqual({ inbound: 20, outbound: 10 });
    expect(resolveConfig({ mode: 'p2p', slots: { inbound: 0 } }).slots).toEqual({ inbound: 0, outbound: 10 });
  });

  it('keeps what it is given and fills in the rest', () => {
    const identity = createIdentity();
    const { signal } = new AbortController();
    const config = resolveConfig({
      mode: 'p2p',
      identity,
      signal,
      bind: '::FFFF:127.0.0.2',
      rendezvous: ['rv.example.org:8000', '[::1]:8001'],
      timing: { dialMs: 1 },
      limits: { lineBytes: 2 },
    });
    expect(config.identity).toBe(identity);
    expect(config.signal).toBe(signal);
    expect(config.bind).toBe('127.0.0.2');
    expect(config.rendezvous).toEqual([
      { host: 'rv.example.org', port: 8000 },
      { host: '::1', port: 8001 },
    ]);
    expect(config.timing).toEqual({ ...DEFAULT_TIMING, dialMs: 1 });
    expect(config.limits).toEqual({ ...DEFAULT_LIMITS, lineBytes: 2 });
  });

  for (const [what, config, message] of [
    ['no mode', {}, 'Expected `mode` to be one of direct, p2p, got `undefined`'],
    ['a misspelt mode', { mode: 'dir' }, 'Expected `mode` to be one of direct, p2p, got `dir`'],
    [
      'a port out of bounds',
      { mode: 'p2p', port: 70000 },
      'Expected `port` to be an integer from 0 to 65535, got `70000`',
    ],
    [
      'a host name to bind to',
      { mode: 'p2p', bind: 'localhost' },
      'Expected `bind` to be an IP address of this machine, got `localhost`',
    ],
    [
      'a server that is no text',
      { mode: 'p2p', rendezvous: [8000] },
      'Expected `rendezvous` to be a list of wss://HOST, rxp2p://KEY@HOST:PORT or HOST:PORT, got `[ 8000 ]`',
    ],
    [
      'one server without its list',
      { mode: 'p2p', rendezvous: 'a:1' },
      'Expected `rendezvous` to be a list of wss://HOST, rxp2p://KEY@HOST:PORT or HOST:PORT, got `a:1`',
    ],
    ['an unknown security', { mode: 'p2p', security: 'ssl' }, 'Expected `security` to be one of tls, plain, got `ssl`'],
    [
      'a slot too few',
      { mode: 'p2p', slots: { outbound: -1 } },
      'Expected `slots.outbound` to be an integer from 0 to 1000000, got `-1`',
    ],
    [
      'a time of 0',
      { mode: 'p2p', timing: { dialMs: 0 } },
      `Expected \`timing.dialMs\` to be an integer from 1 to 2147483647, got \`0\``,
    ],
    [
      'a protocol that nobody speaks',
      { mode: 'p2p', portMapping: ['pcp', 'ftp'] },
      'Expected `portMapping` to be one of pcp, nat-pmp, upnp, got `ftp`',
    ],
    [
      'a protocol without its list',
      { mode: 'p2p', portMapping: 'pcp' },
      'Expected `portMapping` to be true, false, or a list of pcp, nat-pmp, upnp, got `pcp`',
    ],
    [
      'a reachability server that is no URL',
      { mode: 'p2p', reachability: ['rv.example.org:8080'] },
      'Expected `reachability` to be a list of http://HOST:PORT, got `rv.example.org:8080`',
    ],
    [
      'a reachability server of another kind',
      { mode: 'p2p', reachability: ['ftp://rv.example.org/'] },
      'Expected `reachability` to be a list of http://HOST:PORT, got `ftp://rv.example.org/`',
    ],
    [
      'a reachability server without its list',
      { mode: 'p2p', reachability: true },
      'Expected `reachability` to be a list of http://HOST:PORT, or false, got `true`',
    ],
    [
      'a relay that is no URL',
      { mode: 'p2p', relay: ['rv.example.org:8080'] },
      'Expected `relay` to be a list of http://HOST:PORT, got `rv.example.org:8080`',
    ],
    [
      'a relay without its list',
      { mode: 'p2p', relay: true },
      'Expected `relay` to be a list of http://HOST:PORT, or false, got `true`',
    ],
    [
      'a STUN server without a port',
      { mode: 'p2p', stun: ['stun.example.org'] },
      'Expected `stun` to be HOST:PORT with a port from 1 to 65535 (an IPv6 address in brackets), got `stun.example.org`',
    ],
    [
      'a STUN server that is a TURN server',
      { mode: 'p2p', stun: ['turn:stun.example.org:3478'] },
      'Expected `stun` to be HOST:PORT with a port from 1 to 65535 (an IPv6 address in brackets), got `turn:stun.example.org:3478`',
    ],
    [
      'half a byte',
      { mode: 'p2p', limits: { lineBytes: 0.5 } },
      `Expected \`limits.lineBytes\` to be an integer from 1 to 9007199254740991, got \`0.5\``,
    ],
  ] satisfies readonly (readonly [string, object, string])[]) {
    it(`is refused with ${what}, naming the option`, () => {
      expect(() => callWith(resolveConfig, config)).toThrowError(InvalidOptionError, message);
    });
  }

  it('with an option that does not exist is refused, rather than the option ignored', () => {
    const direct: NetConfig = { mode: 'direct' };
    for (const [wrong, name] of [
      [{ ...direct, prot: 1 }, /`config` to be made of mode, .*got `prot`/],
      [{ ...direct, timing: { dialMS: 1 } }, /`timing` to be made of techniqueMs, .*got `dialMS`/],
      [{ ...direct, limits: { toString: 1 } }, /`limits` to be made of lineBytes, .*got `toString`/],
    ] as const) {
      expect(() => callWith(resolveConfig, wrong)).toThrowError(InvalidOptionError, name);
    }
  });

  it('asks gateways by all protocols, by some, or by none', () => {
    const protocolsOf = (portMapping: NetConfig['portMapping']) =>
      resolveConfig({ mode: 'direct', portMapping }).portMapping;
    expect(protocolsOf(undefined)).toEqual(['pcp', 'nat-pmp', 'upnp']);
    expect(protocolsOf(true)).toEqual(['pcp', 'nat-pmp', 'upnp']);
    expect(protocolsOf(['upnp'])).toEqual(['upnp']);
    expect(protocolsOf([])).toEqual([]);
    expect(protocolsOf(false)).toEqual([]);
  });

  it('asks the reachability servers that it names, below their addresses, or none', () => {
    const serversOf = (reachability: NetConfig['reachability']) =>
      resolveConfig({ mode: 'direct', reachability }).reachability;
    expect(serversOf(['http://192.0.2.1:8080', 'https://rv.example.org/a', 'http://[2001:db8::1]/b/'])).toEqual([
      new URL('http://192.0.2.1:8080/'),
      new URL('https://rv.example.org/a/'),
      new URL('http://[2001:db8::1]/b/'),
    ]);
    expect(serversOf([])).toEqual([]);
    expect(serversOf(false)).toBeFalse();
  });

  it('meets peers at the relays that it names, or at none', () => {
    const relaysOf = (relay: NetConfig['relay']) => resolveConfig({ mode: 'direct', relay }).relay;
    expect(relaysOf(['https://rv.example.org/a'])).toEqual([new URL('https://rv.example.org/a/')]);
    expect(relaysOf([])).toEqual([]);
    expect(relaysOf(false)).toBeFalse();
  });

  it('has STUN servers by TCP and by TLS', () => {
    const stun = ['192.0.2.1:3478', 'stuns:stun.example.org', 'stun:[2001:db8::1]'];
    expect(resolveConfig({ mode: 'direct', stun }).stun).toEqual([
      { host: '192.0.2.1', port: 3478 },
      { host: 'stun.example.org', port: 5349, isSecure: true },
      { host: '2001:db8::1', port: 3478 },
    ]);
  });

  it('has TURN servers with credentials that always hold, or with what gives some', async () => {
    const credentials = () => Promise.resolve({ username: '1790000000:alice', credential: 'digest' });
    const [one, other] = resolveConfig({
      mode: 'direct',
      turn: [
        { url: 'turn:192.0.2.1:3478?transport=tcp', username: 'alice', credential: 'secret' },
        { url: 'turns:turn.example.org', credentials },
      ],
    }).turn;
    expect(one).toEqual(jasmine.objectContaining({ host: '192.0.2.1', port: 3478 }));
    expect(await one?.credentials()).toEqual({ username: 'alice', credential: 'secret' });
    expect(other).toEqual({ host: 'turn.example.org', port: 5349, isSecure: true, credentials });
  });

  it('is refused with a TURN server that is none, in words without its password', () => {
    const user = { username: 'alice', credential: 'secret' };
    for (const turn of [
      'turn:alice:secret@turn.example.org',
      ['turn:alice:secret@turn.example.org'],
      [null],
      [{ url: 'turn:alice:secret@turn.example.org', ...user }],
      [{ url: 'stun:turn.example.org', ...user }],
      [{ url: 'turn:turn.example.org?transport=udp', ...user }],
      [{ url: 'turn:turn.example.org', credential: 'secret' }],
      [user],
    ])
      expect(() => callWith(resolveConfig, { mode: 'direct', turn }))
        .withContext(JSON.stringify(turn))
        .toThrowMatching(
          (error) =>
            error instanceof InvalidOptionError &&
            error.message.includes('`turn`') &&
            !error.message.includes('secret'),
        );
  });

  it('has nodes prove their keys, but for plain ones', () => {
    const provesKeys = (security: NetConfig['security']) => resolveConfig({ mode: 'direct', security }).provesKeys;
    expect([undefined, 'tls' as const, 'plain' as const].map(provesKeys)).toEqual([true, true, false]);
  });

  it('with an option that is left undefined is the same as without it', () => {
    const config = resolveConfig({ mode: 'direct', bind: undefined, port: undefined, slots: { inbound: undefined } });
    expect([config.bind, config.port, config.slots.inbound]).toEqual([undefined, 0, 1024]);
  });
});
