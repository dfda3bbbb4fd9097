import { EXIT, Failure } from '../../src/errors.ts';
import type { HostTarget } from '../cluster/spec.ts';
import type { Host } from './host.ts';
import { openLocal } from './local.ts';
import type { LoginOptions } from './ssh-login.ts';
import { openSsh } from './ssh.ts';

/** Connects to one machine. @throws Failure, exit code 5, see ssh-login.ts. */
export async function openHost(target: HostTarget, options: LoginOptions): Promise<Host> {
  const name = target.name ?? target.address;
  if (target.ssh === undefined) {
    return openLocal(name, target.address);
  }
  return await openSsh(name, target.address, target.ssh, options);
}

/**
 * Connects to all machines in parallel, in the order of `targets`.
 * @throws Failure of the only machine that failed, or one that names them all; no connection stays open then.
 */
export async function openHosts(targets: HostTarget[], options: LoginOptions): Promise<Host[]> {
  const results = await Promise.allSettled(targets.map((t) => openHost(t, options)));
  const failures = results.filter((r) => r.status === 'rejected').map((r): unknown => r.reason);
  const hosts = results.filter((r) => r.status === 'fulfilled').map((r) => r.value);
  if (failures.length === 0) {
    return hosts;
  }
  await closeHosts(hosts);
  const first = failures[0];
  if (failures.length === 1 || !failures.every((f) => f instanceof Failure)) {
    throw first;
  }
  const all = failures as Failure[];
  throw new Failure(all[0]?.code ?? 'unreachable', all.map((f) => f.message).join(' '), {
    remedy: all[0]?.remedy,
    exitCode: all[0]?.exitCode ?? EXIT.unreachable,
  });
}

export async function closeHosts(hosts: Host[]): Promise<void> {
  await Promise.allSettled(hosts.map((h) => h.close()));
}
