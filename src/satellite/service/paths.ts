import { join } from 'node:path';

/** Where the satellite of a machine lies that is no node of a cluster. */
export const SERVICE_PREFIX = '/opt/terrarium-satellite';
export const SERVICE_DATA = '/var/lib/terrarium-satellite';
export const SERVICE_UNIT = 'terrarium-satellite.service';
/**
 * It runs as this user, to whom nothing else of the machine belongs; from the range that systemd leaves unused
 * (https://systemd.io/UIDS-GIDS/, 65520 to 65533), so that no other user and no dynamic one has it.
 */
export const SERVICE_UID = 65_521;
export const SERVICE_USER = 'terrarium-satellite';

/** The same below a root directory; `/` on the machine itself. */
export interface ServicePaths {
  prefix: string;
  program: string;
  addon: string;
  data: string;
  /** Its own, and all that it writes to: certificates, history. */
  satellite: string;
  state: string;
  /** Proxy settings, for the unit: they may hold a password. */
  environment: string;
  unit: string;
}

export function servicePaths(root: string): ServicePaths {
  const [prefix, data] = [join(root, SERVICE_PREFIX), join(root, SERVICE_DATA)];
  return {
    prefix,
    program: join(prefix, 'bin/terrarium'),
    addon: join(prefix, 'lib/better_sqlite3.node'),
    data,
    satellite: join(data, 'satellite'),
    state: join(data, 'satellite/state'),
    environment: join(data, 'environment'),
    unit: join(root, 'etc/systemd/system', SERVICE_UNIT),
  };
}
