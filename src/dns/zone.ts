/** What the zone has at this moment; read anew for each question. */
export interface ZoneData {
  /** Lower case, without a dot at the end. */
  zone: string;
  /** Addresses of the name servers `ns1.ZONE`, `ns2.ZONE` …, in this order. */
  servers(): string[];
  /** Addresses of the instances that answer now. */
  consoles(): string[];
  /** Addresses of a satellite; undefined where there is none of that id. */
  satellite(id: string): string[] | undefined;
  /**
   * Whether the ids of some satellites end in `.SUFFIX`: then that name exists, though it has nothing itself (RFC
   * 8020).
   */
  hasBelow(suffix: string): boolean;
}

/** What a name in the zone has; undefined for one that does not exist. */
export interface Found {
  addresses: string[];
  apex: boolean;
}

/** The labels of `name` (lower case) that are before the zone; undefined for a name outside it. */
export function relativeTo(zone: string, name: string): string | undefined {
  if (name === zone) {
    return '';
  }
  return name.endsWith(`.${zone}`) ? name.slice(0, -zone.length - 1) : undefined;
}

const SATELLITES = 'satellites';
const SERVER = /^ns([1-9]\d?)$/;

/** @param relative as `relativeTo` gives it */
export function find(data: ZoneData, relative: string): Found | undefined {
  const plain = (addresses: string[]): Found => ({ addresses, apex: false });
  if (relative === '') {
    return { addresses: [], apex: true };
  }
  if (relative === 'console') {
    return plain(data.consoles());
  }
  if (relative === SATELLITES) {
    return plain([]);
  }
  const server = SERVER.exec(relative)?.[1];
  if (server !== undefined) {
    const address = data.servers()[Number(server) - 1];
    return address === undefined ? undefined : plain([address]);
  }
  if (!relative.endsWith(`.${SATELLITES}`)) {
    return undefined;
  }
  const id = relative.slice(0, -SATELLITES.length - 1);
  const addresses = data.satellite(id);
  if (addresses !== undefined) {
    return plain(addresses);
  }
  return data.hasBelow(id) ? plain([]) : undefined;
}
