/**
 * Every subject of the bus, and nothing else may be used on it.
 *
 * | subject | from | to |
 * | --- | --- | --- |
 * | `heartbeat.<sat>` | a satellite | every cloud instance |
 * | `satellite.<sat>.query`, `.credit`, `.cancel`, `.ping` | a cloud instance | one satellite |
 * | `reply.<instance>.<query>.<sat>` | a satellite | the one instance that asked |
 * | `direct.<sat>` | a satellite | one cloud instance, any (queue group `direct`) |
 * | `satellite.<sat>.direct` | a cloud instance | one satellite |
 * | `renew.<sat>` | a satellite | one cloud instance, any (queue group `renew`) |
 * | `satellite.<sat>.renewal` | a cloud instance | one satellite |
 * | `cloud.<instance>` | a cloud instance | every cloud instance |
 *
 * `<sat>` and `<instance>` are node names as tokens (see `token`).
 */

/** A node name as one token of a subject: dots separate tokens, and a host name never has an underscore. */
export function token(name: string): string {
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) {
    throw new RangeError(`not a node name: ${JSON.stringify(name)}`);
  }
  return name.replaceAll('.', '_');
}

/** The node name of a token. */
export function nameOf(subjectToken: string): string {
  return subjectToken.replaceAll('_', '.');
}

export const subjects = {
  heartbeat: (sat: string): string => `heartbeat.${token(sat)}`,
  allHeartbeats: 'heartbeat.*',
  query: (sat: string): string => `satellite.${token(sat)}.query`,
  credit: (sat: string): string => `satellite.${token(sat)}.credit`,
  cancel: (sat: string): string => `satellite.${token(sat)}.cancel`,
  ping: (sat: string): string => `satellite.${token(sat)}.ping`,
  /** What direct queries need of the cloud; see direct.ts. */
  askDirect: (sat: string): string => `direct.${token(sat)}`,
  allDirectAsks: 'direct.*',
  direct: (sat: string): string => `satellite.${token(sat)}.direct`,
  /** Renewal of a satellite's credential; see renewal.ts. */
  askRenewal: (sat: string): string => `renew.${token(sat)}`,
  allRenewalAsks: 'renew.*',
  renewal: (sat: string): string => `satellite.${token(sat)}.renewal`,
  /** What a satellite listens on. */
  forSatellite: (sat: string): string => `satellite.${token(sat)}.>`,
  /** `query` is a query's id: letters and digits. */
  reply: (instance: string, query: string, sat: string): string => `reply.${token(instance)}.${query}.${token(sat)}`,
  /** One subscription of an instance for all its queries, so that a cancelled query leaves none behind. */
  repliesTo: (instance: string): string => `reply.${token(instance)}.*.*`,
  /** All that a satellite may publish an answer on. */
  repliesFrom: (sat: string): string => `reply.*.*.${token(sat)}`,
  cloud: (instance: string): string => `cloud.${token(instance)}`,
  allClouds: 'cloud.*',
} as const;

/** The parts of `reply.<instance>.<query>.<sat>`; undefined for any other subject. */
export function parseReply(subject: string): { instance: string; query: string; sat: string } | undefined {
  const [kind, instance, query, sat, ...rest] = subject.split('.');
  if (kind !== 'reply' || instance === undefined || query === undefined || sat === undefined || rest.length > 0) {
    return undefined;
  }
  return { instance: nameOf(instance), query, sat: nameOf(sat) };
}

/** Common name of the certificate by which a node's satellite, or cloud, shows itself on the bus. */
export const busUser = {
  satellite: (node: string): string => `satellite-${node}`,
  cloud: (node: string): string => `cloud-${node}`,
} as const;
