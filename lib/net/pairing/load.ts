import { UnavailableError, reasonOf } from '../../errors.js';

/** Loads what meets peers by codes: with its cryptography it is large, and most nodes have no use for it. */
export async function loadPairing() {
  try {
    const [{ invite$ }, { pair$ }] = await Promise.all([import('./invite.js'), import('./pair.js')]);
    return { invite$, pair$ };
  } catch (cause) {
    throw new UnavailableError(`What meets peers by codes could not be loaded: ${reasonOf(cause)}`, { cause });
  }
}
