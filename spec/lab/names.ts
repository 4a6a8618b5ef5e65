// `names.js ADDRESS`: a DNS server (RFC 1035) that tells everybody the same address of every name, as one that has been tampered with does.
import { createSocket } from 'node:dgram';

const address = Buffer.from((process.argv[2] ?? '').split('.').map(Number));
const HEADER_BYTES = 12;
/** The type and the class of a question. */
const QUESTION_REST_BYTES = 5;
/** Of an address of IPv4. */
const TYPE_A = 1;

const server = createSocket('udp4');
server.on('message', (question, { port, address: asker }) => {
  const nameEnd = question.indexOf(0, HEADER_BYTES);
  const end = nameEnd + QUESTION_REST_BYTES;
  if (nameEnd < 0 || question.length < end) return;
  const isAsked = question.readUInt16BE(nameEnd + 1) === TYPE_A;
  const header = Buffer.from(question.subarray(0, HEADER_BYTES));
  // An answer, without a fault, of which recursion was desired and is available.
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isAsked ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  // The name is the question's; the answer holds for a minute.
  const record = Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, ...address]);
  server.send(Buffer.concat([header, question.subarray(HEADER_BYTES, end), ...(isAsked ? [record] : [])]), port, asker);
});
server.bind(53, () => {
  console.log('names');
});
