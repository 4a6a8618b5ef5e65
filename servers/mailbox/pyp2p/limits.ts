/** What is borne of PyP2P's nodes. */
export interface Pyp2pLimits {
  /** PyP2P nodes that are registered. */
  readonly pyp2pNodes: number;
  /** PyP2P nodes that are registered from one IPv4 address or IPv6 /48. */
  readonly pyp2pNodesPerHost: number;
}
