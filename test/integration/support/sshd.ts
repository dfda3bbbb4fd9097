import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { unpackDebian } from '../../support/debian-packages.ts';

export interface TestSshd {
  port: number;
  /** Private key that the server accepts, and one that it does not. */
  key: string;
  otherKey: string;
  dir: string;
  /** Gives the server another host key and starts it again on the same port. */
  rekey(): Promise<void>;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** The sshd of the machine, or one unpacked from Debian's package into `dir`. */
async function sshdProgram(dir: string): Promise<string> {
  if (existsSync('/usr/sbin/sshd')) {
    return '/usr/sbin/sshd';
  }
  await unpackDebian(dir, 'openssh-server', 'libwrap0');
  return join(dir, 'usr/sbin/sshd');
}

async function withSudo(dir: string, sudoers: string): Promise<string> {
  const root = join(dir, 'sudo');
  await unpackDebian(root, 'sudo');
  writeFileSync(join(root, 'etc/sudoers'), sudoers, { mode: 0o440 });
  return ['usr', 'etc']
    .map((folder) => `mount -t overlay none -o lowerdir=${root}/${folder}:/${folder} /${folder} && `)
    .join('');
}

async function reachable(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Writes users with their keys, and the configuration of sshd. */
function writeConfiguration(dir: string, port: number, extra: string[]): void {
  const authorized = join(dir, 'authorized');
  mkdirSync(authorized);
  writeFileSync(join(authorized, userInfo().username), readFileSync(join(dir, 'user.pub')));
  writeFileSync(join(authorized, 'tester'), readFileSync(join(dir, 'user.pub')));
  const passwd = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .filter((l) => !l.startsWith('sshd:') && !l.startsWith('tester:'));
  writeFileSync(
    join(dir, 'passwd'),
    [
      ...passwd.filter((l) => l !== ''),
      'sshd:x:64999:65534::/run/sshd:/usr/sbin/nologin',
      `tester:*:64998:65534::${dir}/home:${dir}/login-shell`,
      '',
    ].join('\n'),
  );
  mkdirSync(join(dir, 'home'));
  writeFileSync(
    join(dir, 'login-shell'),
    '#!/bin/sh\necho "Welcome to the machine"; umask 077; PATH=/bin; export PATH; exec /bin/sh "$@"\n',
  );
  chmodSync(join(dir, 'login-shell'), 0o755);
  chmodSync(dir, 0o755);
  writeFileSync(join(dir, 'banner'), 'Authorised use only\n'.repeat(20));
  writeFileSync(
    join(dir, 'sshd_config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${dir}/host`,
      `AuthorizedKeysFile ${authorized}/%u`,
      `PidFile ${dir}/pid`,
      `Banner ${dir}/banner`,
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
      ...extra,
      '',
    ].join('\n'),
  );
}

/**
 * An sshd with keys and configuration of its own on a loopback port, in a mount namespace in which the user `sshd`
 * and /run/sshd exist. Needs root. `extra` are lines of sshd_config; with `sudoers` there is a sudo with just these
 * lines (unpacked from Debian's package over /usr and /etc, seen by this sshd only).
 */
export async function startSshd(extra: string[] = [], sudoers?: string): Promise<TestSshd> {
  const dir = mkdtempSync(join(tmpdir(), 'terrarium-sshd-'));
  const port = await freePort();
  const program = await sshdProgram(dir);
  const keygen = (path: string): void => {
    rmSync(path, { force: true });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  };
  for (const name of ['host', 'user', 'other']) {
    keygen(join(dir, name));
  }
  writeConfiguration(dir, port, extra);
  const overlays = sudoers === undefined ? '' : await withSudo(dir, sudoers);
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const script =
      `${overlays}mount --bind ${dir}/passwd /etc/passwd && mount -t tmpfs none /run && mkdir -p /run/sshd && exec ` +
      `${program} -D -e -f ${dir}/sshd_config`;
    child = spawn('unshare', ['--mount', 'sh', '-c', script], {
      stdio: process.env['TEST_SSHD_LOG'] === undefined ? 'ignore' : 'inherit',
      env: { ...process.env, LD_LIBRARY_PATH: `${dir}/lib/x86_64-linux-gnu:${dir}/usr/lib/x86_64-linux-gnu` },
    });
    for (let n = 0; n < 100 && !(await reachable(port)); n += 1) {
      await new Promise((r) => setTimeout(r, 50));
    }
  };
  const halt = async (): Promise<void> => {
    const current = child;
    if (current === undefined || current.exitCode !== null) {
      return;
    }
    await new Promise<void>((resolve) => {
      current.once('exit', () => resolve());
      current.kill('SIGTERM');
    });
  };
  await start();
  return {
    port,
    key: join(dir, 'user'),
    otherKey: join(dir, 'other'),
    dir,
    rekey: async () => {
      await halt();
      keygen(join(dir, 'host'));
      await start();
    },
    stop: async () => {
      await halt();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
