/**
 * The most nodes that a client asks for, and a rendezvous server lists, at once. The same for our protocol and for PyP2P's, so that
 * a flooding network can ask by either.
 */
export const MAX_NODES = 100;
