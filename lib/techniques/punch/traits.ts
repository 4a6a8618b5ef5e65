import type { TechniqueTraits } from '../technique.js';

/** The properties of punches that do not depend on a node. */
export const PUNCH = {
  name: 'simultaneous-open',
  stage: 'signal',
  serves: ({ version }) => version === 3,
} as const satisfies TechniqueTraits;
