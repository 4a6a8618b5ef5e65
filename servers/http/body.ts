import { Gathered } from '../../lib/bounds/gathered.js';
import type { Exchange } from './service.js';

/**
 * The body of a request: `undefined` when it is longer than that, or the caller went away. The connection of a body that is
 * too long is closed after the answer, so that nobody has to read the rest.
 *
 * @param maxBytes the longest that is read.
 */
export async function bodyOf({ request, response }: Exchange, maxBytes: number): Promise<Buffer | undefined> {
  const body = new Gathered();
  let length = 0;
  try {
    // An iteration that is left destroys the request, and the answer with it.
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
