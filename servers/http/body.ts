import { Gathered } from '../../lib/bounds/gathered.js';
import type { Exchange } from './service.js';

/**
 * The body of a request: `undefined` when it is longer than that, or the caller went away. After a body that is too long, the
 * connection is closed behind the answer, so the rest need not be read.
 *
 * @param maxBytes the longest that is read.
 */
export async function bodyOf({ request, response }: Exchange, maxBytes: number): Promise<Buffer | undefined> {
  const body = new Gathered();
  let length = 0;
  try {
    // Leaving the iteration early would destroy the request, and the response with it.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) return undefined;
      length += chunk.length;
      if (length > maxBytes) break;
      body.push(chunk);
    }
  } catch {
    return undefined;
  }
  if (length <= maxBytes) return body.take();
  response.setHeader('connection', 'close');
  response.once('finish', () => {
    request.destroy();
  });
  return undefined;
}
