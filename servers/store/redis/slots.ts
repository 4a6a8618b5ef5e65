/** A cluster has this many hash slots. */
export const SLOTS = 16_384;

/** Hash slots that follow each other, and the node that has them. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly host: string;
  readonly port: number;
}

/**
 * The hash slot of a tag: CRC-16/XMODEM modulo 16384, as the cluster specification has it. Pure.
 *
 * @param tag what stands between the braces of a key.
 *
 * @example
 * slotOf('123456789'); // 12739
 */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? (crc << 1) & 0xffff : ((crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc % SLOTS;
}

/**
 * Reads what `CLUSTER SLOTS` answers: who has which slots. `undefined` for what is no such answer. Pure.
 *
 * @param askedHost the host of the node that answers: it may leave out its own.
 */
export function parseSlots(reply: unknown, askedHost: string): readonly SlotRange[] | undefined {
  if (!Array.isArray(reply)) return undefined;
  const ranges = reply.map((range: unknown) => parseRange(range, askedHost)).filter((range) => range !== undefined);
  return ranges.length === reply.length ? ranges : undefined;
}

function parseRange(range: unknown, askedHost: string): SlotRange | undefined {
  const [first, last, master] = partsOf(range);
  const [host, port] = partsOf(master);
  if (!isSlot(first) || !isSlot(last) || last < first) return undefined;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  const isNamed = typeof host === 'string' && host !== '' && host !== '?';
  return { first, last, host: isNamed ? host : askedHost, port };
}

function isSlot(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < SLOTS;
}

function partsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
