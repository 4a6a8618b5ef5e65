import { peersReason } from '../../lib/connection/close-reason.js';

describe('the reason of an end that the peer has sent', () => {
  it('is in order where the peer says so', () => {
    expect(peersReason({ code: 'closed', message: 'closed here' })).toEqual({
      code: 'closed',
      by: 'peer',
      message: 'closed by the peer',
    });
  });

  it('is that the connection was lost where its code is of a later version: nobody knows whether all has arrived', () => {
    const { code, by, message } = peersReason({ code: 'out-of-memory', message: 'no room' });
    expect([code, by, message]).toEqual(['lost', 'peer', 'the peer ended the connection: no room']);
  });
});
