import type { TechniqueTraits } from '../technique.js';

/** What is known of punches before there is a node. */
export const PUNCH = {
  name: 'simultaneous-open',
  stage: 'signal',
  isMutual: true,
  serves: ({ version }) => version === 3,
} as const satisfies TechniqueTraits;
