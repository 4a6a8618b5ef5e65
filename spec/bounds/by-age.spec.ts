import fc from 'fast-check';
import { ByAge } from '../../lib/bounds/by-age.js';

describe('values by age', () => {
  it('are those of a Map, in the order in which they were added', () => {
    const steps = fc.array(
      fc.record({
        step: fc.constantFrom('add', 'set', 'delete', 'keep'),
        key: fc.constantFrom('a', 'b', 'c', 'd', '__proto__'),
        value: fc.nat(5),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const [values, model] = [new ByAge<string, number>(), new Map<string, number>()];
        for (const { step, key, value } of all) {
          switch (step) {
            case 'add':
              values.add(key, value);
              model.delete(key);
              model.set(key, value);
              break;
            case 'set':
              values.set(key, value);
              model.set(key, value);
              break;
            case 'delete':
              throwUnless(values.delete(key)).toBe(model.delete(key));
              break;
            case 'keep':
              values.keep(value);
              for (const oldest of [...model.keys()].slice(0, Math.max(0, model.size - value))) model.delete(oldest);
          }
          throwUnless([...values]).toEqual([...model]);
          const [first] = model;
          throwUnless(values.oldest && [values.oldest.key, values.oldest.value]).toEqual(first);
          throwUnless([values.size, values.has(key), values.get(key)]).toEqual([
            model.size,
            model.has(key),
            model.get(key),
          ]);
        }
      }),
    );
  });

  it('may be deleted and added anew while they are gone through', () => {
    const values = new ByAge<string, number>();
    for (const [index, key] of ['a', 'b', 'c'].entries()) values.add(key, index);
    const seen: string[] = [];
    for (const [key, value] of values) {
      seen.push(key);
      if (key === 'a') values.delete(key);
      if (key === 'b' && value < 10) values.add(key, 10);
    }
    expect(seen).toEqual(['a', 'b', 'c', 'b']);
    expect([...values]).toEqual([
      ['c', 2],
      ['b', 10],
    ]);
  });
});
