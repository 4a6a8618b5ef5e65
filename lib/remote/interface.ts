import type { Observable, ObservableInput } from 'rxjs';
import type { StandardSchema } from './schema.js';

/** What a method may return: an Observable, a Promise or an iterable. Not a string, which is an iterable of characters. */
export type RemoteSource = ObservableInput<unknown> & object;

/**
 * The methods of an interface that can be called remotely. Not `then`, which `await` would call.
 *
 * @useDeclaredType
 */
export type RemoteMethod<T> = Exclude<
  {
    [K in keyof T]-?: NonNullable<T[K]> extends (...args: never[]) => RemoteSource ? K : never;
  }[keyof T] &
    string,
  'then'
>;

/**
 * An object at the peer. Each of its methods returns a cold Observable: every subscription calls the method again, and unsubscribing
 * ends that call.
 *
 * @example
 * interface Market { prices(symbol: string): Observable<number>; buy(order: string): Promise<string> }
 * const market: Remote<Market> = connection.remote<Market>('market');
 * market.prices('ACME').pipe(take(5)).subscribe({ next: console.log, error: console.error });
 * market.buy('10 ACME').subscribe({ next: (receipt) => console.log(receipt), error: console.error });
 */
export type Remote<T> = {
  readonly [K in RemoteMethod<T>]: NonNullable<T[K]> extends (...args: infer A) => ObservableInput<infer V>
    ? (...args: A) => Observable<V>
    : never;
};

/** Encodes and decodes arguments and values. Both sides need the same codec. */
export interface RemoteCodec {
  /** The bytes of a value. May throw for what it cannot encode. */
  readonly encode: (value: unknown) => Uint8Array;
  /** May throw for bytes that `encode` does not produce. */
  readonly decode: (bytes: Uint8Array) => unknown;
}

/**
 * How arguments and values are encoded: as JSON (`json`, the default); as MessagePack (`messagepack`), where bytes arrive as
 * `Uint8Array`; or by the application's own codec. Both sides have to use the same.
 */
export type CodecOption = 'json' | 'messagepack' | RemoteCodec;

/** What happens when more than `limits.remoteBytes` of an Observable's values wait for the caller. */
export type OverflowPolicy = 'fail' | 'latest' | 'drop-oldest';

/** Schemas of a method. What a peer sends and does not fit never reaches the application. */
export interface MethodSchemas {
  /** Checks the list of arguments, where the method is exposed. */
  readonly args?: StandardSchema | undefined;
  /** Checks each value, where the method is called. */
  readonly value?: StandardSchema | undefined;
}

/** Options for exposing an object. */
export interface ExposeOptions {
  /** The name by which peers use it: at most 200 bytes of UTF-8. */
  readonly as: string;
  /** How arguments and values are encoded. Default: `json`. */
  readonly codec?: CodecOption | undefined;
  /**
   * What happens when more than `limits.remoteBytes` of an Observable's values wait for the caller: the call fails (`fail`, the default);
   * all but the latest value are dropped (`latest`); or the oldest values are dropped (`drop-oldest`). Iterables and async iterables are
   * asked only for what there is room for.
   */
  readonly overflow?: OverflowPolicy | undefined;
  /** Schemas of the arguments, by the names of the methods, from any library that follows Standard Schema. */
  readonly schemas?: Readonly<Record<string, MethodSchemas>> | undefined;
}

/** Options for using an object at the peer. */
export interface RemoteOptions {
  /** How arguments and values are encoded. Default: `json`. */
  readonly codec?: CodecOption | undefined;
  /** Schemas of the values, by the names of the methods, from any library that follows Standard Schema. */
  readonly schemas?: Readonly<Record<string, MethodSchemas>> | undefined;
}
