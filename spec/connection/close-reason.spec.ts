import { peersReason } from '../../lib/connection/close-reason.js';

describe('the reason of an end that the peer has sent', () => {
  it('is an orderly close if the peer says so', () => {
    expect(peersReason({ code: 'closed', message: 'closed here' })).toEqual({
      code: 'closed',
      by: 'peer',
      message: 'closed by the peer',
    });
  });

  it('is a lost connection if the code is unknown, of a later version: it may mean a failure', () => {
    const { code, by, message } = peersReason({ code: 'out-of-memory', message: 'no room' });
    expect([code, by, message]).toEqual(['lost', 'peer', 'the peer ended the connection: no room']);
  });
});
