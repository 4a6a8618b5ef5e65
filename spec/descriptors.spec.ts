import { openSync, closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { descriptorLimit, freeDescriptors, parseOpenFilesLimit } from '../lib/descriptors.js';

describe('freeDescriptors', () => {
  it('goes down by what is opened, and up again by what is closed', () => {
    const before = freeDescriptors();
    if (before === Number.POSITIVE_INFINITY) pending('this system has no limit');
    const opened = Array.from({ length: 5 }, () => openSync(fileURLToPath(import.meta.url), 'r'));
    expect(before - freeDescriptors()).toBe(5);
    opened.forEach(closeSync);
    expect(freeDescriptors()).toBe(before);
  });
});

describe('descriptorLimit', () => {
  it('is above what is free', () => {
    const limit = descriptorLimit();
    if (limit === Number.POSITIVE_INFINITY) pending('this system has no limit');
    expect(limit).toBeGreaterThan(freeDescriptors());
  });
});

describe('parseOpenFilesLimit', () => {
  const text = (soft: string) =>
    [
      'Limit                     Soft Limit           Hard Limit           Units     ',
      'Max processes             127235               127235               processes ',
      `Max open files            ${soft.padEnd(21)}1048576              files     `,
      'Max locked memory         8388608              8388608              bytes     ',
    ].join('\n');

  it('reads the soft limit', () => {
    expect(parseOpenFilesLimit(text('1024'))).toBe(1024);
    expect(parseOpenFilesLimit(text('unlimited'))).toBe(Number.POSITIVE_INFINITY);
  });

  it('finds none in anything else', () => {
    expect(parseOpenFilesLimit('')).toBeUndefined();
    expect(parseOpenFilesLimit(text('many'))).toBeUndefined();
  });
});
