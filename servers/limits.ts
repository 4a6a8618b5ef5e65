import { DEFAULT_DHT_LIMITS } from '../lib/dht/limits.js';
import { DEFAULT_HTTP_LIMITS } from './http/limits.js';
import { DEFAULT_MAILBOX_LIMITS } from './mailbox/limits.js';
import { DEFAULT_DIAL_LIMITS } from './reachability/limits.js';
import { DEFAULT_RELAY_LIMITS } from './relay/limits.js';
import { DEFAULT_SERVER_LIMITS } from './rendezvous/limits.js';

/** The limits of all servers, by the server. */
export const DEFAULT_LIMITS = {
  rendezvous: DEFAULT_SERVER_LIMITS,
  mailbox: DEFAULT_MAILBOX_LIMITS,
  relay: DEFAULT_RELAY_LIMITS,
  reachability: DEFAULT_DIAL_LIMITS,
  http: DEFAULT_HTTP_LIMITS,
  dht: DEFAULT_DHT_LIMITS,
} as const;
