import type { TechniqueTraits } from '../technique.js';

/** What is known of reverse connects before there is a node. */
export const REVERSE_CONNECT = {
  name: 'reverse-connect',
  stage: 'signal',
  isMutual: true,
  serves: ({ version }) => version === 3,
} as const satisfies TechniqueTraits;
