import type { TechniqueTraits } from '../technique.js';

/** The properties of relay meetings that do not depend on a node. */
export const RELAY = {
  name: 'relay',
  stage: 'relay',
  isRelayed: true,
  serves: ({ version }) => version === 3,
} as const satisfies TechniqueTraits;
