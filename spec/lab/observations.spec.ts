import { classifyFiltering, classifyMapping, classifyPorts, classifyUnsolicited } from './observations.js';
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

  it('finds preserved ports, a step, and neither', () => {
    expect(classifyPorts([40001, 40002, 40003], [40001, 40002, 40003])).toBe('preserved');
    expect(classifyPorts([40001, 40002, 40003], [20004, 20005, 20006])).toBe('delta 1');
    expect(classifyPorts([40001, 40002, 40003], [20009, 20006, 20003])).toBe('delta -3');
    expect(classifyPorts([40001, 40002, 40003], [20004, 20005, 20007])).toBe('random');
    expect(classifyPorts([40001, 40002, 40003], [20004, 20004, 20004])).toBe('random');
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
