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
   * The peer is asked (1), opens a connection to the relay (1), and has what this node sent there meanwhile when it is let in (1).
   * By the relay a round trip takes two: from there half of TLS's remains (1), and the line takes one.
   */
  relay: 5,
};
