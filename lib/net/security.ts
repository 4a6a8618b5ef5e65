import type { ResolvedConfig } from '../config.js';
import type { SecureSettings } from '../link/tls.js';
import type { Security } from '../peers/security.js';
import { tlsSecurity } from '../peers/tls-security.js';
import { PYP2P_DIALECT } from '../pyp2p/dialect.js';
import { Pyp2pSecurity } from '../pyp2p/security.js';
import { VERSION_2_FORM } from '../pyp2p/version-2-form.js';
import type { Dialect } from '../rendezvous/dialect.js';
import { OUR_DIALECT } from '../rendezvous/our-dialect.js';
import type { Runtime } from '../runtime.js';
import type { LocatorForm } from '../self/locator-form.js';
import { VERSION_3_FORM } from '../self/version-3-form.js';

/** What choosing the kind of a node needs. */
interface KindConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureSettings;
}

/** What differs between nodes that prove their keys and PyP2P's, which prove nothing. */
interface Kind {
  /** How sockets become links, and links connections. */
  readonly security: Security;
  /** How rendezvous servers are spoken to. */
  readonly dialect: Dialect;
  /** How a node makes its locator. */
  readonly locatorForm: LocatorForm;
}

/** Chooses by the option `security`; nothing else asks for it. */
export function kindOf(needs: KindConfig): Kind {
  return needs.config.security === 'plain'
    ? { security: new Pyp2pSecurity(needs), dialect: PYP2P_DIALECT, locatorForm: VERSION_2_FORM }
    : { security: tlsSecurity(needs), dialect: OUR_DIALECT, locatorForm: VERSION_3_FORM };
}
