import { createHash } from 'node:crypto';

/**
 * One of the servers that agree on what streams there are and where: it counts for their majority whether it is there
 * or not.
 */
export interface MetaServer {
  /** As `serverId` makes it of the server's name. */
  id: string;
  /** As the leader knows it; it does not know that of a server that it has not heard since its own start. */
  name: string;
  /** Whether it has a connection with the leader: one whose machine is off has none after 15 s. */
  connected: boolean;
}

/** What nats-server tells of its meta group (JSZ, `meta_cluster`). */
export interface MetaCluster {
  leader?: string;
  /** Id of the leader. */
  peer?: string;
  /**
   * All but the leader. A new leader calls a server that it has never heard as such neither offline nor silent, for
   * minutes.
   */
  replicas?: { name: string; peer: string }[];
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * What a server of this name is called in JetStream's groups, also while nobody has heard of it (getHash in
 * nats-server's events.go).
 */
export function serverId(name: string): string {
  return [...createHash('sha256').update(name).digest().subarray(0, 8)]
    .map((byte) => DIGITS[byte % DIGITS.length])
    .join('');
}

/**
 * All servers of the group, by the word of its leader: undefined where `node` does not lead, or makes ids of names in
 * another way than `serverId`.
 * @param routes names of the servers that `node` is connected with.
 */
export function asLeader(
  node: string,
  { leader, peer, replicas = [] }: MetaCluster,
  routes: readonly string[],
): MetaServer[] | undefined {
  if (leader !== node || peer !== serverId(node)) {
    return undefined;
  }
  const connected = new Set(routes.map(serverId));
  return [
    { id: peer, name: node, connected: true },
    ...replicas.map((r) => ({ id: r.peer, name: r.name, connected: connected.has(r.peer) })),
  ];
}
