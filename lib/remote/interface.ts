import type { Observable, ObservableInput } from 'rxjs';
import type { StandardSchema } from './schema.js';

/** The methods of an interface that can be called from elsewhere: those that return what RxJS makes an Observable of. */
type MethodName<T> = {
  [K in keyof T]: T[K] extends (...args: never[]) => ObservableInput<unknown> ? K : never;
}[keyof T] &
  string;

/**
 * An object that lives at the peer: each of its methods returns a cold Observable. Every subscription calls the method anew, and
 * unsubscribing ends that.
 *
 * @example
 * interface Market { prices(symbol: string): Observable<number>; buy(order: string): Promise<string> }
 * const market: Remote<Market> = connection.remote<Market>('market');
 * market.prices('ACME').pipe(take(5)).subscribe({ next: console.log, error: console.error });
 * market.buy('10 ACME').subscribe({ next: (receipt) => console.log(receipt), error: console.error });
 */
export type Remote<T> = {
  readonly [K in MethodName<T>]: T[K] extends (...args: infer A) => ObservableInput<infer V>
    ? (...args: A) => Observable<V>
    : never;
};

/** How the bytes of arguments and values are written and read; both sides need the same. */
export interface RemoteCodec {
  readonly encode: (value: unknown) => Uint8Array;
  /** May throw for bytes that are none of `encode`'s. */
  readonly decode: (bytes: Uint8Array) => unknown;
}

/**
 * How arguments and values travel: `json`, the default, as JSON; `messagepack`, where bytes come as `Uint8Array`; or by a codec of the
 * application's. Both sides have to name the same.
 */
export type CodecOption = 'json' | 'messagepack' | RemoteCodec;

/** What an Observable's values do that come faster than the caller takes them, and faster than `limits.remoteBytes` can hold. */
export type OverflowPolicy = 'fail' | 'latest' | 'drop-oldest';

/** Schemas of a method: whatever a peer sends that does not fit never reaches the application. */
export interface MethodSchemas {
  /** Of the list of arguments, where the method is exposed. */
  readonly args?: StandardSchema | undefined;
  /** Of each value, where the method is called. */
  readonly value?: StandardSchema | undefined;
}

/** How an object is exposed. */
export interface ExposeOptions {
  /** The name by which peers ask for it: at most 200 bytes of UTF-8. */
  readonly as: string;
  readonly codec?: CodecOption | undefined;
  /**
   * What becomes of the values of an Observable that the caller does not take fast enough: the call fails (`fail`, the default); all
   * but the latest are dropped (`latest`); or the oldest of `limits.remoteBytes` are (`drop-oldest`). Iterables and async iterables
   * are asked only for what the caller takes.
   */
  readonly overflow?: OverflowPolicy | undefined;
  /** Schemas of arguments, by the names of the methods: any of a library that follows Standard Schema. */
  readonly schemas?: Readonly<Record<string, MethodSchemas>> | undefined;
}

/** How an object at the peer is used. */
export interface RemoteOptions {
  readonly codec?: CodecOption | undefined;
  /** Schemas of values, by the names of the methods: any of a library that follows Standard Schema. */
  readonly schemas?: Readonly<Record<string, MethodSchemas>> | undefined;
}
