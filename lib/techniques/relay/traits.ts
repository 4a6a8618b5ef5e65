import type { TechniqueTraits } from '../technique.js';

/** What is known of meetings at relays before there is a node. */
export const RELAY = {
  name: 'relay',
  stage: 'relay',
  isRelayed: true,
  serves: ({ version }) => version === 3,
} as const satisfies TechniqueTraits;
