import { CLOSED_HERE, type CloseReason } from '../../lib/connection/close-reason.js';
import { Ending } from '../../lib/connection/ending.js';
import { decodeEnd } from '../../lib/link/handshake.js';
import { VirtualClock, VirtualLink } from './virtual-links.js';

const CLOSED = { code: 'closed', message: '' };
const LOST = { code: 'lost', message: 'there is no such connection here any more' };

/** The ending of a connection of which a spec says what is read and acknowledged; and what it did, in order. */
function open({ isFramed = true } = {}) {
  const clock = new VirtualClock();
  const { here } = new VirtualLink('link', true);
  const told: string[] = [];
  const lines = {
    hasReader: true,
    isReading: true,
    closeInbox: (how: string) => told.push(`inbox ${how}`),
    closeOutbox: () => told.push('outbox closed'),
  };
  const transport = {
    isAcknowledged: false,
    lastLink: here,
    progress: 0,
    end: (payload: Buffer) => told.push(`says ${decodeEnd(payload).code}`),
    readOn: () => told.push('reads on'),
    close: (graceMs: number) => told.push(`link closed within ${graceMs} ms`),
  };
  const reasons: CloseReason[] = [];
  const ending = new Ending({
    scheduler: clock,
    closeMs: 100,
    isFramed,
    streams: lines,
    transport,
    onClosed: (reason) => reasons.push(reason),
  });
  const ended = () => reasons.map(({ code, by }) => `${code} by ${by}`);
  return { clock, link: here, told, lines, transport, ending, ended };
}

describe('The ending of a connection', () => {
  it('takes both sides: each sends its end, and waits until the other has received everything', () => {
    const { ending, transport, told, ended } = open();
    ending.close(CLOSED_HERE);
    expect(told).toEqual(['outbox closed', 'says closed', 'reads on']);
    expect([ending.isOpen, ending.isClosed]).toEqual([false, false]);
    ending.peerEnds(CLOSED);
    expect(ended()).toEqual([]);
    transport.isAcknowledged = true;
    ending.acknowledged();
    expect(ended()).toEqual(['closed by us']);
    expect(told.slice(3)).toEqual(['inbox ended', 'outbox closed', 'link closed within 100 ms', 'inbox cut']);
  });

  it('waits for readers before it answers the end of the peer', () => {
    const { ending, transport, lines, told, ended } = open();
    transport.isAcknowledged = true;
    ending.peerEnds(CLOSED);
    ending.delivered();
    expect([ending.isOpen, told]).toEqual([true, ['inbox ended']]);
    lines.isReading = false;
    ending.delivered();
    expect(ended()).toEqual(['closed by peer']);
  });

  it('answers the end of the peer once everything has been read, and at once where nobody reads', () => {
    const [read, unread] = [open(), open()];
    read.ending.peerEnds(CLOSED);
    read.lines.isReading = false;
    read.ending.delivered();
    unread.lines.isReading = false;
    unread.ending.peerEnds(CLOSED);
    for (const { told } of [read, unread]) expect(told).toContain('says closed');
  });

  it('is at once when the peer ends for another reason, or this side does', () => {
    const [theirs, ours] = [open(), open()];
    theirs.ending.peerEnds({ code: 'refused', message: 'full' });
    expect([theirs.ended(), theirs.told.includes('says refused')]).toEqual([['refused by peer'], false]);
    ours.ending.end({ code: 'refused', by: 'us', message: 'full' });
    expect(ours.ended()).toEqual(['refused by us']);
    expect(ours.told).toEqual([
      'outbox closed',
      'says refused',
      'outbox closed',
      'link closed within 1000 ms',
      'inbox cut',
    ]);
  });

  it('happens once, whatever follows', () => {
    const { ending, ended, told } = open();
    ending.finish({ code: 'lost', by: 'peer', message: '' });
    const before = told.length;
    ending.close(CLOSED_HERE);
    ending.end(CLOSED_HERE);
    ending.delivered();
    ending.refused(LOST);
    expect([ended(), told.length]).toEqual([['lost by peer'], before]);
  });

  it('is not orderly when either side gives up before everything has arrived', () => {
    const [givenUp, failed] = [open(), open()];
    for (const { ending } of [givenUp, failed]) ending.close(CLOSED_HERE);
    givenUp.clock.pass(100);
    expect(givenUp.told.filter((told) => told.startsWith('says'))).toEqual(['says closed', 'says timeout']);
    failed.ending.peerEnds({ code: 'protocol', message: '' });
    expect(failed.ended()).toEqual(['protocol by peer']);
  });

  it('is given up when no byte moves while it waits for the peer’s end', () => {
    const { ending, clock, link, ended } = open();
    ending.close(CLOSED_HERE);
    clock.pass(99);
    expect(ended()).toEqual([]);
    clock.pass(1);
    expect(ended()).toEqual(['timeout by peer']);
    expect(link.link.stream.destroyed).toBeTrue();
  });

  it('is orderly without a link when everything had arrived on both sides', () => {
    const { ending, transport, ended } = open();
    ending.peerEnds(CLOSED);
    expect(ending.lost()).toBeFalse();
    transport.isAcknowledged = true;
    expect(ending.lost()).toBeTrue();
    expect(ended()).toEqual(['closed by peer']);
  });

  it('is orderly without a link when nobody reads what the peer might still send', () => {
    const { ending, transport, lines, ended } = open();
    transport.isAcknowledged = true;
    ending.close(CLOSED_HERE);
    expect(ending.lost()).toBeFalse();
    lines.hasReader = false;
    expect(ending.lost()).toBeTrue();
    expect(ended()).toEqual(['closed by us']);
  });

  it('follows when the peer refuses a link because it has lost or closed the connection, and for no other reason', () => {
    const [lost, closed, late, refused] = [open(), open(), open(), open()];
    lost.ending.refused(LOST);
    closed.ending.refused(CLOSED);
    late.transport.isAcknowledged = true;
    late.ending.close(CLOSED_HERE);
    late.ending.refused(LOST);
    refused.ending.refused({ code: 'refused', message: 'full' });
    expect([lost, closed, late, refused].map(({ ended }) => ended())).toEqual([
      ['lost by peer'],
      ['closed by peer'],
      ['closed by us'],
      [],
    ]);
  });

  it('does not wait for acknowledgements on a plain link, which has none', () => {
    const { ending, ended } = open({ isFramed: false });
    ending.close(CLOSED_HERE);
    ending.peerEnds(CLOSED);
    expect(ended()).toEqual(['closed by us']);
  });

  it('drops what the peer still sends only while it is closing and nobody reads', () => {
    const { ending, lines } = open();
    lines.hasReader = false;
    expect(ending.ignoresData).toBeFalse();
    ending.close(CLOSED_HERE);
    expect(ending.ignoresData).toBeTrue();
    lines.hasReader = true;
    expect(ending.ignoresData).toBeFalse();
  });
});
