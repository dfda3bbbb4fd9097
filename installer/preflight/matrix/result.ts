/** What was found on the way from one node to another; nothing but measurements, judged by checks. */
export interface Pair {
  from: string;
  to: string;
  ports: PortResult[];
  /** Milliseconds, sorted, of small messages echoed over TCP; empty when no connection was possible. */
  roundTripsMs: number[];
  /** Clock of `to` minus clock of `from`, ms, and how wrong that may be (half the round trip). */
  skew: { ms: number; errorMs: number } | null;
  mtu: MtuResult | null;
  synOption: 'kept' | 'stripped' | 'dropped' | null;
  /** 1 MiB sent over TCP came back as received; null when not tried. */
  bulk: boolean | null;
  /** What that came to, Mbit/s; null where it did not come back. */
  mbits: number | null;
  /**
   * Packets with a wrong checksum that `to` received from anywhere while the ways were tried; null where its kernel
   * does not count them.
   */
  checksumErrors: number | null;
  /** Why parts are null: the native helper is missing, for instance. */
  note?: string;
}

export interface PortResult {
  name: string;
  port: number;
  /** `refused`: something answers that nothing listens, though we did; `timeout`: no answer at all. */
  outcome: 'open' | 'refused' | 'timeout' | 'unreachable' | 'stranger';
}

export interface MtuResult {
  device: string;
  deviceMtu: number;
  /** Largest IP packet that arrived with fragmentation forbidden; null: no UDP passes at all. */
  passes: number | null;
  /** A router said that packets are too big (then TCP adapts): its MTU. */
  told: number | null;
}
