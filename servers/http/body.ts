import { ByteShares } from '../../lib/bounds/byte-shares.js';
import { Gathered } from '../../lib/bounds/gathered.js';
import { siteOf } from '../../lib/bounds/site.js';
import type { Exchange } from './service.js';

const MIB = 1024 * 1024;

/** How much of bodies that are not whole is held at most, in bytes: of more, the caller of whose body most is there is dropped. */
const BEGUN_BYTES = { mostOfOne: MIB, mostOfSite: 4 * MIB, most: 64 * MIB };

/** Reads the bodies of requests. What has come of those that are not whole is shared by sites. */
export class Bodies {
  readonly #begun: ByteShares;

  /** @param most how much of them is held, in bytes. */
  constructor(most = BEGUN_BYTES) {
    this.#begun = new ByteShares(most);
  }

  /**
   * The body of a request: `undefined` when it is longer than that, or the caller went away or was dropped. After a body that is too long, the
   * connection is closed behind the answer, so the rest need not be read.
   *
   * @param maxBytes the longest that is read.
   */
  async of({ request, response, address }: Exchange, maxBytes: number): Promise<Buffer | undefined> {
    const body = new Gathered();
    const giveWay = () => {
      request.destroy();
    };
    const holder = { site: siteOf(address), giveWay };
    let length = 0;
    try {
      // Leaving the iteration early would destroy the request, and the response with it.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        if (!Buffer.isBuffer(chunk)) return undefined;
        length += chunk.length;
        if (length > maxBytes) break;
        body.push(chunk);
        this.#begun.set(holder, length);
      }
    } catch {
      return undefined;
    } finally {
      this.#begun.set(holder, 0);
    }
    if (length <= maxBytes) return body.take();
    response.setHeader('connection', 'close');
    response.once('finish', () => {
      request.destroy();
    });
    return undefined;
  }
}
