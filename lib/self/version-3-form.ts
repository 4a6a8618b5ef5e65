import type { ResolvedConfig } from '../config.js';
import { UNL_MAX_LENGTH } from '../unl.js';
import type { UnlEndpoint, UnlV3 } from '../unl/types.js';
import { servicesOf } from '../rendezvous-name.js';
import { turnExtensions } from '../unl/turn.js';
import { encodeVersion3 } from '../unl/version-3.js';
import type { Located, LocatorForm } from './locator-form.js';

/** A URL in a locator has this many characters at most. */
const URL_MAX_LENGTH = 255;

/** Locators of version 3: those of nodes that prove their keys. */
export const VERSION_3_FORM: LocatorForm = { canPunchBy: () => true, unlOf };

function unlOf({ nodeType, natType, port, addresses, observed, reaches }: Located, config: ResolvedConfig): UnlV3 {
  const reachable = reaches.flatMap(({ endpoint, mapping }): UnlEndpoint[] =>
    endpoint === undefined ? [] : [{ kind: mapping === undefined ? 'wan' : 'mapped', ...endpoint }],
  );
  // Of these servers the name of the rendezvous server tells all.
  const implied = config.rendezvous.map((server) => servicesOf(server)?.href);
  const wan = observed.map((address) => ({ kind: 'wan' as const, address, port }));
  const others = wan.filter(({ address }) => !reachable.some((known) => known.address === address));
  return fitting({
    version: 3,
    peerId: config.identity.peerId,
    nodeType,
    natType,
    endpoints: [...addresses.map((address) => ({ kind: 'lan' as const, address, port })), ...reachable, ...others],
    rendezvous: config.rendezvous,
    mailboxes: config.mailbox
      .map(({ href }) => href)
      .filter((href) => href.length <= URL_MAX_LENGTH && !implied.includes(href)),
    dht: config.dht,
    mqtt: config.mqtt.map(({ url }) => url),
    extensions: turnExtensions(config.turn.length > 0 && config.relay !== false),
  });
}

/** Keeps as many servers as fit: others need only a few to send a message. */
function fitting(unl: UnlV3): UnlV3 {
  const isLong = encodeVersion3(unl).toString('base64url').length > UNL_MAX_LENGTH;
  const longest = Math.max(unl.rendezvous.length, unl.mailboxes.length, unl.dht.length, unl.mqtt.length);
  if (!isLong || longest === 0) return unl;
  return fitting({
    ...unl,
    rendezvous: unl.rendezvous.slice(0, longest - 1),
    mailboxes: unl.mailboxes.slice(0, longest - 1),
    dht: unl.dht.slice(0, longest - 1),
    mqtt: unl.mqtt.slice(0, longest - 1),
  });
}
