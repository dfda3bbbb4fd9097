import { randomBytes } from 'node:crypto';
import { appendFile, chmod, chown, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyBase } from './base.ts';
import { guestFiles, pamUmaskLine } from './guest-files.ts';
import { cutDisk, labMounts, mountDisk, nspawnLock, releaseDisk, unmount } from './mounts.ts';
import { SSH_USER, imageName, rootDir } from './names.ts';
import type { LabOptions, MachinePlan } from './plan.ts';
import { run } from './run.ts';

export function diskImage(options: Pick<LabOptions, 'dir'>, machine: Pick<MachinePlan, 'name'>): string {
  return join(options.dir, imageName(machine.name));
}

/**
 * Makes a machine's disk: a copy of the base with its own identity and host keys. It is unmounted afterwards, as a
 * switched-off machine's.
 * @returns the public host keys, one line each.
 */
export async function makeDisk(
  machine: MachinePlan,
  options: LabOptions,
  base: string,
  publicKey: string,
  signal: AbortSignal,
): Promise<string[]> {
  await copyBase(base, diskImage(options, machine), options.diskGiB, signal);
  const root = await attachDisk(machine, options);
  for (const file of guestFiles(machine, options, { machineId: randomBytes(16).toString('hex'), publicKey })) {
    const path = join(root, file.path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.content);
    await chmod(path, file.mode);
  }
  const home = join(root, 'home', SSH_USER);
  const owner = await stat(home);
  await chown(join(home, '.ssh/authorized_keys'), owner.uid, owner.gid);
  const pam = pamUmaskLine(options);
  if (pam !== '') {
    for (const file of ['common-session', 'common-session-noninteractive']) {
      await appendFile(join(root, 'etc/pam.d', file), pam);
    }
  }
  await run('ssh-keygen', ['-q', '-A', '-f', root], { signal });
  const names = (await readdir(join(root, 'etc/ssh'))).filter((n) => /^ssh_host_.*_key\.pub$/.test(n));
  const keys = await Promise.all(names.map((n) => readFile(join(root, 'etc/ssh', n), 'utf8')));
  await unmount(root);
  return keys;
}

/** Mounts the machine's disk. @returns where. */
export async function attachDisk(machine: MachinePlan, options: LabOptions): Promise<string> {
  const root = rootDir(machine.name);
  await mkdir(root, { recursive: true });
  await mountDisk(diskImage(options, machine), root);
  return root;
}

/** From here on nothing that is not on the machine's disk yet gets there. */
export async function loseDisk(name: string): Promise<void> {
  if (labMounts().includes(rootDir(name))) {
    await cutDisk(rootDir(name));
  }
}

/** Takes the disk of a machine without processes away. */
export async function tearOffDisk(machine: Pick<MachinePlan, 'name'>, options: Pick<LabOptions, 'dir'>): Promise<void> {
  const root = rootDir(machine.name);
  if (labMounts().includes(root)) {
    const lock = await nspawnLock(root);
    await unmount(root);
    await rm(lock, { force: true });
  }
  await releaseDisk(diskImage(options, machine), root);
}
