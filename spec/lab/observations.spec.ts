import {
  classifyAddress,
  classifyFiltering,
  classifyMapping,
  classifyPorts,
  classifyUnsolicited,
  RANDOM_SAMPLES,
} from './observations.js';
import type { Dialled } from './probe-client.js';

const at = (address: string, port: number) => ({ address, port });
const open: Dialled = { outcome: 'open', seen: at('45.45.11.2', 50000), ms: 81 };
const silent: Dialled = { outcome: 'silent' };
const reset: Dialled = { outcome: 'reset' };

describe('What is seen from outside', () => {
  const local = at('192.168.1.11', 40000);
  const mapped = at('45.45.12.2', 40000);
  const other = at('45.45.12.2', 40001);

  it('is no mapping when everyone sees the host’s own endpoint', () => {
    expect(classifyMapping({ local, first: local, otherPort: local, otherAddress: local })).toBe('none');
  });

  it('is a mapping even when the port is kept', () => {
    expect(classifyMapping({ local, first: mapped, otherPort: mapped, otherAddress: mapped })).toBe(
      'endpoint-independent',
    );
  });

  it('tells a mapping that depends on the address from one that depends on the port too', () => {
    expect(classifyMapping({ local, first: mapped, otherPort: mapped, otherAddress: other })).toBe('address-dependent');
    expect(classifyMapping({ local, first: mapped, otherPort: other, otherAddress: other })).toBe(
      'address and port-dependent',
    );
  });

  it('finds preserved ports and a step', () => {
    expect(classifyPorts([40001, 40002, 40003], [40001, 40002, 40003])).toBe('preserved');
    expect(classifyPorts([40001, 40002, 40003], [20004, 20005, 20006])).toBe('delta 1');
    expect(classifyPorts([40001, 40002, 40003], [20009, 20006, 20003])).toBe('delta -3');
  });

  it('calls ports random only when they are many, all different, and from all over the range', () => {
    const locals = Array.from({ length: RANDOM_SAMPLES }, (_, i) => 40000 + i);
    /** Multiples of an odd number go through all of a power of two, here and there. */
    const scattered = locals.map((_, i) => 1024 + ((i * 26_347) % 32_768) + (i % 2) * 31_744);
    expect(classifyPorts(locals, scattered)).toBe('random');
    const wrong = {
      few: scattered.slice(0, 3),
      one: locals.map(() => 20004),
      'two alike': [...scattered.slice(1), scattered[1] ?? 0],
      reserved: [80, ...scattered.slice(1)],
      'of one part of the range': locals.map((_, i) => 20000 + ((i * 1_337) % 8_192)),
      'rising now and then': locals.map((_, i) => 20004 + i + (i % 3)),
    };
    for (const [what, ports] of Object.entries(wrong)) {
      expect(classifyPorts(locals.slice(0, ports.length), ports))
        .withContext(what)
        .toBe('irregular');
    }
  });

  it('calls them scattered when they are from most of the range, and a block when they are near each other', () => {
    const locals = Array.from({ length: RANDOM_SAMPLES }, (_, i) => 40000 + i);
    expect(classifyPorts(locals, locals.map((_, i) => 10_000 + ((i * 26_347) % 40_000)))).toBe('scattered'); // prettier-ignore
    expect(classifyPorts(locals, locals.map((_, i) => 20_480 + ((i * 2_653) % 509)))).toBe('block of 512'); // prettier-ignore
    expect(classifyPorts(locals, locals.map((_, i) => 20_480 + ((i * 6_337) % 16_384)))).toBe('irregular'); // prettier-ignore
  });

  it('tells homes, carriers and the internet by their addresses', () => {
    const addresses = [
      '192.168.1.11',
      '10.0.0.1',
      '100.64.1.2',
      '100.128.0.1',
      '45.45.12.2',
      'fd00::1',
      '2a45:45:0:11::2',
    ];
    expect(addresses.map(classifyAddress)).toEqual(['private', 'private', 'shared', 'public', 'public', 'private', 'public']); // prettier-ignore
  });

  it('names the filtering after who gets in', () => {
    expect(classifyFiltering(open, open)).toBe('endpoint-independent');
    expect(classifyFiltering(open, silent)).toBe('address-dependent');
    expect(classifyFiltering(silent, reset)).toBe('address and port-dependent');
  });

  it('tells silence from a reset', () => {
    expect([open, silent, reset].map(classifyUnsolicited)).toEqual(['accepted', 'dropped', 'reset']);
  });
});
