import type { TechniqueTraits } from '../technique.js';

/** The properties of reverse connects that do not depend on a node. */
export const REVERSE_CONNECT = {
  name: 'reverse-connect',
  stage: 'signal',
  serves: ({ version }) => version === 3,
} as const satisfies TechniqueTraits;
