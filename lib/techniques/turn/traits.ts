import type { TechniqueTraits } from '../technique.js';

/** The properties of meetings at TURN servers that do not depend on a node. */
export const TURN = {
  name: 'turn',
  stage: 'relay',
  isRelayed: true,
  serves: ({ version }) => version === 3,
} as const satisfies TechniqueTraits;
