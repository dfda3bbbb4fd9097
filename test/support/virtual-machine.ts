import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { SYSTEM_PATH } from '../../installer/system-path.ts';
import { unpackDebian } from './debian-packages.ts';

/**
 * An emulated machine with a kernel of Debian's, a disk of its own and nothing around it: unlike a lab machine, which
 * shares its kernel with us, it loses what only its memory held when it is cut off. No KVM is needed; everything is ten
 * times slower than here.
 */
export interface VirtualMachine {
  /** All that it has written to its console. */
  console(): string;
  running(): boolean;
  /** It has powered itself off, or was cut off. */
  ended: Promise<unknown>;
  /** The power cut: kill -9 of the emulator. */
  cut(): Promise<void>;
}

export interface MachineImage {
  kernel: string;
  initrd: string;
  /** Keeps what the machine has written from one boot to the next. */
  disk: string;
}

export interface MachineContent {
  /** Files and folders: path there → path here. */
  files: Record<string, string>;
  /** Programs of them that need the shared libraries of here. */
  programs: string[];
  /** Shell line that is run at each boot; when it ends, the machine powers off. */
  command: string;
}

/** Debian packages that this needs beside what every Debian has. */
const PACKAGES = {
  'qemu-system-x86_64': 'qemu-system-x86',
  cpio: 'cpio',
  modprobe: 'kmod',
  mke2fs: 'e2fsprogs',
  busybox: 'busybox-static',
  xz: 'xz-utils',
};
/** Those of /sbin are not in everybody's PATH. */
const ENV = { PATH: SYSTEM_PATH };
/** Debian's kernel has these as modules; without them it finds no root. */
const MODULES = ['virtio_pci', 'virtio_blk', 'ext4', 'crc32c_generic'];
const DISK = '4G';

const INITRD_INIT = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev; $b mount -t proc proc /proc; $b mount -t sysfs sys /sys
for m in /mods/*; do $b insmod $m; done
until [ -b /dev/vda ]; do $b sleep 0.1; done
$b mount -t ext4 /dev/vda /root && exec $b switch_root /root /sbin/init
`;

const rootInit = (command: string): string => `#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev; $b mount -t proc proc /proc; $b mount -t sysfs sys /sys
$b ifconfig lo 127.0.0.1 netmask 255.0.0.0 up
( ${command} ) </dev/null
$b poweroff -f
`;

async function checkPrograms(): Promise<void> {
  const missing: string[] = [];
  for (const [program, pkg] of Object.entries(PACKAGES)) {
    const found = await execa('which', [program], { reject: false, env: ENV });
    if (found.exitCode !== 0) {
      missing.push(pkg);
    }
  }
  if (missing.length > 0) {
    throw new Error(`Debian packages are missing: ${missing.join(' ')}; ./build.sh test installs them`);
  }
}

/** The name of Debian's kernel package for machines like this one. */
async function kernelPackage(): Promise<string> {
  const { stdout } = await execa('apt-cache', ['depends', 'linux-image-amd64']);
  const name = /Depends: (linux-image-[0-9]\S+)/.exec(stdout)?.[1];
  if (name === undefined) {
    throw new Error(`linux-image-amd64 names no kernel:\n${stdout}`);
  }
  return name;
}

async function makeInitrd(dir: string, modules: string, version: string): Promise<string> {
  const root = join(dir, 'initrd.d');
  for (const name of ['bin', 'proc', 'sys', 'dev', 'root', 'mods']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  writeFileSync(join(root, 'init'), INITRD_INIT, { mode: 0o755 });
  const files = new Set<string>();
  for (const name of MODULES) {
    const { stdout } = await execa('modprobe', ['-d', modules, '-S', version, '--show-depends', name], { env: ENV });
    for (const [, file = ''] of stdout.matchAll(/^insmod (\S+)/gm)) {
      files.add(file);
    }
  }
  for (const [i, file] of [...files].entries()) {
    const bytes = file.endsWith('.xz')
      ? (await execa('xz', ['-dc', file], { encoding: 'buffer' })).stdout
      : readFileSync(file);
    writeFileSync(join(root, 'mods', `${100 + i}-${basename(file, '.xz')}`), bytes);
  }
  const names = readdirSync(root, { recursive: true }).map(String);
  const { stdout } = await execa('cpio', ['-o', '-H', 'newc', '--quiet'], {
    cwd: root,
    input: names.join('\n'),
    encoding: 'buffer',
  });
  const file = join(dir, 'initrd');
  writeFileSync(file, stdout);
  return file;
}

async function makeDisk(dir: string, { files, programs, command }: MachineContent): Promise<string> {
  const root = join(dir, 'root.d');
  for (const name of ['bin', 'sbin', 'proc', 'sys', 'dev', 'tmp']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  const put = (there: string, here: string): void => {
    mkdirSync(dirname(join(root, there)), { recursive: true });
    cpSync(here, join(root, there), { recursive: true, verbatimSymlinks: true });
  };
  put('/bin/busybox', realpathSync('/bin/busybox'));
  for (const [there, here] of Object.entries(files)) {
    put(there, here);
  }
  for (const program of programs) {
    const { stdout } = await execa('ldd', [files[program] ?? program], { reject: false });
    for (const [, library = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) {
      put(library, realpathSync(library));
    }
    chmodSync(join(root, program), 0o755);
  }
  writeFileSync(join(root, 'sbin/init'), rootInit(command), { mode: 0o755 });
  const file = join(dir, 'disk');
  await execa('mke2fs', ['-q', '-t', 'ext4', '-d', root, file, DISK], { env: ENV });
  return file;
}

/** @throws Error that names what is missing here. */
export async function buildMachine(dir: string, content: MachineContent): Promise<MachineImage> {
  await checkPrograms();
  const unpacked = join(dir, 'kernel.d');
  await unpackDebian(unpacked, await kernelPackage());
  const name = readdirSync(join(unpacked, 'boot')).find((f) => f.startsWith('vmlinuz-')) ?? '';
  const version = name.slice('vmlinuz-'.length);
  const modules = existsSync(join(unpacked, 'lib/modules')) ? unpacked : join(unpacked, 'usr');
  await execa('depmod', ['-b', modules, version], { env: ENV });
  return {
    kernel: join(unpacked, 'boot', name),
    initrd: await makeInitrd(dir, modules, version),
    disk: await makeDisk(dir, content),
  };
}

/** @param consoleFile is written anew */
export function bootMachine({ kernel, initrd, disk }: MachineImage, consoleFile: string): VirtualMachine {
  writeFileSync(consoleFile, '');
  const child = spawn(
    'qemu-system-x86_64',
    [
      '-machine',
      'q35',
      '-accel',
      'tcg,thread=multi',
      '-cpu',
      'max',
      '-smp',
      '2',
      '-m',
      '2048',
      '-kernel',
      kernel,
      '-initrd',
      initrd,
      '-append',
      'console=ttyS0 quiet panic=1 mitigations=off',
      // What the machine has flushed is in our page cache, which a kill leaves alone; what it has not is nowhere.
      '-drive',
      `file=${disk},format=raw,if=virtio,cache=writeback`,
      '-nographic',
      '-monitor',
      'none',
      '-serial',
      `file:${consoleFile}`,
      '-nic',
      'none',
      '-no-reboot',
    ],
    { stdio: 'ignore' },
  );
  const ended = once(child, 'exit');
  const running = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    console: () => readFileSync(consoleFile, 'utf8').replaceAll('\r', ''),
    running,
    ended,
    async cut() {
      if (!running()) {
        return;
      }
      child.kill('SIGKILL');
      await ended;
    },
  };
}
