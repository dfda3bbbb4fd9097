import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { loadClusterConfig } from '../cluster-config.ts';
import { Failure } from '../errors.ts';
import { hostPort } from '../host-port.ts';
import { readEnrolment } from './enrol/record.ts';

/** `host:port` a line; kept in step with the control planes by the installer, mounted from a ConfigMap. */
export const CLOUDS_FILE = '/etc/terrarium/clouds';
const POLL_MS = 5_000;

function entries(text: string, separator: RegExp): string[] {
  return text
    .split(separator)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/**
 * Addresses of the bus: TERRARIUM_CLOUDS, else the file (default /etc/terrarium/clouds), else those told at the
 * enrolment, else the control planes of cluster.json.
 * @throws Failure `no-clouds`
 */
export function cloudAddresses(env: NodeJS.ProcessEnv): string[] {
  const given = entries(env['TERRARIUM_CLOUDS'] ?? '', /,/);
  if (given.length > 0) {
    return given;
  }
  const listed = readList(cloudsFile(env));
  if (listed.length > 0) {
    return listed;
  }
  const enrolment = readEnrolment(env['TERRARIUM_DATA'] ?? '/var/lib/terrarium');
  if (enrolment !== undefined) {
    return enrolment.clouds;
  }
  const config = loadClusterConfig(env['TERRARIUM_CLUSTER_CONFIG']);
  const fromConfig = config.controlPlanes.map((address) => hostPort(address, config.ports.nats));
  if (fromConfig.length > 0) {
    return fromConfig;
  }
  throw new Failure('no-clouds', `No address of a cloud is known: ${cloudsFile(env)} is missing or empty.`, {
    remedy: 'Set TERRARIUM_CLOUDS to host:port of the control-plane nodes.',
  });
}

function cloudsFile(env: NodeJS.ProcessEnv): string {
  return env['TERRARIUM_CLOUDS_FILE'] ?? CLOUDS_FILE;
}

function readList(file: string): string[] {
  try {
    return entries(readFileSync(file, 'utf8'), /\n/);
  } catch {
    return [];
  }
}

/**
 * Calls back when the list has changed: control planes can be added and removed. Polls, since a mounted ConfigMap is
 * exchanged by a link further up, which a watch of the file would miss. Returns how to stop it.
 */
export function watchClouds(env: NodeJS.ProcessEnv, changed: (addresses: string[]) => void): () => void {
  const file = cloudsFile(env);
  let last = cloudAddresses(env).join();
  const look = (): void => {
    let now: string[];
    try {
      now = cloudAddresses(env);
    } catch {
      return;
    }
    if (now.join() === last) {
      return;
    }
    last = now.join();
    changed(now);
  };
  watchFile(file, { interval: POLL_MS }, look);
  return () => unwatchFile(file, look);
}
