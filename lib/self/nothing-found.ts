import type { Findings } from './findings.js';

/** The findings of a node that does not listen yet. */
export const NOTHING_FOUND: Findings = {
  local: undefined,
  servers: [],
  reaches: undefined,
  nats: undefined,
  location: undefined,
};
