/**
 * The least that the exchange of messages allows until the first line is at the other side, in round trips between the peers,
 * where a server is as far from each as the other peer is, as in the lab. A message from peer to peer by a server takes as long
 * as a round trip: half of one to the server, half of one from there.
 *
 * TCP takes one round trip; then TLS 1.3 takes one until its client may send, with the line behind its own last message, and the
 * line half of one: 2.5, when all of it goes directly and whoever sends the line is the client.
 */
export const FLOORS: Readonly<Record<string, number>> = {
  direct: 2.5,
  /** The peer is asked (1) and dials (1); its SYN-ACK is known here half of a round trip later, and is followed by TLS and the line (1.5). */
  'reverse-connect': 4,
  /** The peer is asked (1) and answers (1), both send SYNs that cross and are acknowledged (1), TLS and the line (1.5). */
  'simultaneous-open': 4.5,
  /**
   * The peer is asked (1), with the beginning of TLS, and answers with the rest of its part while it opens a connection to the relay (1). So the line
   * waits there by the time that the relay lets it in (1).
   */
  relay: 3,
};
