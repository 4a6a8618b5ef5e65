import { topicOf } from '../../../lib/rooms/discovery/topic.js';

describe('the topic of a room', () => {
  it('follows from its name', () => {
    expect(topicOf('chess-club').toString('base64url')).toBe('WQGrAF7dRk-O90ehVjsNZCt5gWP6uEyOV4NGCCg403M');
    expect(topicOf('chess-club').equals(topicOf('chess-clubs'))).toBeFalse();
  });
});
