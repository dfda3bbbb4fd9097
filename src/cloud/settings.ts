import { isIP, isIPv6 } from 'node:net';
import { join } from 'node:path';
import { loadClusterConfig, type ClusterConfig } from '../cluster-config.ts';
import { EXIT, Failure } from '../errors.ts';
import { SERVICE_ACCOUNT_DIR } from '../kube/service-account.ts';

/** What one instance of the cloud is told by its pod. */
export interface CloudSettings {
  node: string;
  address: string;
  tlsDir: string;
  stateDir: string;
  natsBinary: string;
  /** Where this node's way to the Kubernetes API is. */
  api: string;
  serviceAccountDir: string;
  /**
   * Address on which console and API listen; undefined: all of this machine's, since users may come by another network
   * than the nodes'.
   */
  listen: string | undefined;
  /** Folder of the built console; undefined: from the executable's assets. */
  consoleDir: string | undefined;
  /** For how long the certificates of satellites that enrol are good, milliseconds; undefined: as long as any. */
  satelliteLifeMs: number | undefined;
  /**
   * After which a server of the bus whose node is no control plane any more is removed, milliseconds; undefined: as
   * long as is safe.
   */
  departedMs: number | undefined;
  config: ClusterConfig;
}

/**
 * | variable | meaning |
 * | --- | --- |
 * | TERRARIUM_NODE, TERRARIUM_ADDRESS, TERRARIUM_DATA | this node's name and address, its data folder (required) |
 * | TERRARIUM_CLUSTER_CONFIG | cluster.json (default /etc/terrarium/cluster.json) |
 * | TERRARIUM_NATS_SERVER | path of nats-server (default /usr/local/bin/nats-server) |
 * | TERRARIUM_API, TERRARIUM_SERVICE_ACCOUNT | the Kubernetes API and the folder of the token (default: this node's
 * balancer, the pod's own) |
 * | TERRARIUM_LISTEN | address of console and API (default: all) |
 * | TERRARIUM_CONSOLE | folder of the console (default: what the executable carries) |
 * | TERRARIUM_SATELLITE_CERTIFICATE_SECONDS | how long certificates of satellites that enrol are good, where that is to
 * be less than a year |
 * | TERRARIUM_DEPARTED_SECONDS | how long a control plane has to be gone before its server is removed from the bus,
 * where that is to be less than a minute |
 *
 * @throws Failure `usage`, `bad-cluster-config`
 */
export function cloudSettings(env: NodeJS.ProcessEnv): CloudSettings {
  const required = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === '') {
      throw new Failure('usage', `${name} is not set.`, {
        remedy: 'The cloud is started by its DaemonSet, which sets it.',
        exitCode: EXIT.usage,
      });
    }
    return value;
  };
  const address = required('TERRARIUM_ADDRESS');
  if (isIP(address) === 0) {
    throw new Failure('usage', `TERRARIUM_ADDRESS is ${address}, not an IP address.`, { exitCode: EXIT.usage });
  }
  const data = required('TERRARIUM_DATA');
  const config = loadClusterConfig(env['TERRARIUM_CLUSTER_CONFIG']);
  return {
    node: required('TERRARIUM_NODE'),
    address,
    tlsDir: join(data, 'cloud/tls'),
    stateDir: join(data, 'cloud/state'),
    natsBinary: env['TERRARIUM_NATS_SERVER'] ?? '/usr/local/bin/nats-server',
    // A Service's address leads nowhere on this cluster; every node has a balancer in front of all API servers.
    api: env['TERRARIUM_API'] ?? `https://${isIPv6(address) ? '[::1]' : '127.0.0.1'}:${config.ports.balancer}`,
    serviceAccountDir: env['TERRARIUM_SERVICE_ACCOUNT'] ?? SERVICE_ACCOUNT_DIR,
    listen: env['TERRARIUM_LISTEN'],
    consoleDir: env['TERRARIUM_CONSOLE'],
    satelliteLifeMs: milliseconds(env, 'TERRARIUM_SATELLITE_CERTIFICATE_SECONDS', 10),
    departedMs: milliseconds(env, 'TERRARIUM_DEPARTED_SECONDS', 1),
    config,
  };
}

/** Seconds, as milliseconds; undefined where they are not set. @throws Failure `usage` */
function milliseconds(env: NodeJS.ProcessEnv, name: string, least: number): number | undefined {
  const seconds = env[name] ?? '';
  if (seconds === '') {
    return undefined;
  }
  if (!/^[1-9]\d{0,7}$/.test(seconds) || Number(seconds) < least) {
    throw new Failure('usage', `${name} is ${seconds}, not a number of seconds from ${least} on.`, {
      exitCode: EXIT.usage,
    });
  }
  return Number(seconds) * 1000;
}
