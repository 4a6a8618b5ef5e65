import { expectName, expectNames } from '../validate.js';
import { call$, type CallConfig } from './call.js';
import { callName, type CallOpening } from './channel.js';
import { formatOf } from './format.js';
import type { Remote, RemoteOptions } from './interface.js';
import { OBJECT_NAME_BYTES } from './options.js';

/** What a remote object needs of its connection. */
export interface RemoteConfig extends Pick<CallConfig, 'messageBytes'> {
  /** Opens a channel by its name. */
  readonly open: (name: string, call: CallOpening) => () => void;
}

/**
 * A proxy for an object at the peer: each of its properties is a function that returns a cold Observable. The proxy does not know which
 * methods the peer's object has, so that a call of an unknown method fails only when it is made.
 *
 * @throws InvalidOptionError for a name that is too long, and options that are misspelt.
 */
export function remoteObject<T>(name: string, options: RemoteOptions, config: RemoteConfig): Remote<T> {
  expectNames('options', options, ['codec', 'schemas']);
  const { codec, schemas = {} } = options;
  const channel = expectName('name', name, OBJECT_NAME_BYTES);
  const format = formatOf(codec);
  const open = (call: CallOpening) => config.open(callName(format.name, channel), call);
  const methods = new Map<string, (...args: readonly unknown[]) => unknown>();
  const methodNamed = (method: string) => {
    const known = methods.get(method);
    if (known !== undefined) return known;
    const schema = Object.hasOwn(schemas, method) ? schemas[method]?.value : undefined;
    const what = `\`${name}.${method}\``;
    const { messageBytes } = config;
    const call = (...args: readonly unknown[]) => call$({ open, format, messageBytes, what, method, args, schema });
    methods.set(method, call);
    return call;
  };
  const nothing: object = Object.freeze({ __proto__: null });
  const object = new Proxy(nothing, {
    // Not `then`: `await` would take the proxy for a Promise and call it.
    get: (_target, property) =>
      typeof property === 'string' && property !== 'then' ? methodNamed(property) : undefined,
  });
  if (isRemote<T>(object)) return object;
  throw new TypeError('Expected an object');
}

/** `T` is the caller's claim: this node cannot know what the peer exposes before a call is made. */
function isRemote<T>(object: object): object is Remote<T> {
  return typeof object === 'object';
}
