import { copyFileSync } from 'node:fs';
import t from 'tap';
import { checkCluster } from './support/cluster.ts';
import { bootLab } from './support/lab.ts';
import { TERRARIUM, type Ended } from './support/terrarium.ts';

/** Puts the executable where a person with a USB stick would, on a machine that has no sshd. */
function carry(machine: string): string {
  copyFileSync(TERRARIUM, `/run/terrarium-lab/${machine.toLowerCase()}/root/root/terrarium`);
  return '/root/terrarium';
}

t.test('three control planes without ssh', async (t) => {
  const lab = await bootLab('--nodes', '3');
  t.teardown(() => lab.down());
  const [a, b, c] = lab.machines;
  if (a === undefined || b === undefined || c === undefined) {
    throw new Error('three machines');
  }
  for (const { name } of lab.machines) {
    await lab.exec(name, 'systemctl', 'disable', '--now', 'ssh.service', 'ssh.socket');
    carry(name);
  }
  const on = (machine: string, ...args: string[]): Promise<Ended> =>
    lab.exec(machine, 'env', 'HOME=/root', '/root/terrarium', ...args);
  const token = async (...args: string[]): Promise<string[]> => {
    const made = await on(a.name, 'token', 'create', ...args);
    t.equal(made.exitCode, 0, made.stderr);
    return made.stdout.trim().split(' ').slice(1);
  };

  await t.test('install on the first machine', async (t) => {
    const installed = await on(a.name, 'install');
    t.equal(installed.exitCode, 0, `${installed.stderr}${installed.stdout.slice(-1500)}`);
    t.match(
      installed.stdout,
      /terrarium join \S+ --token \S+ --ca-hash sha256:[0-9a-f]{64}/,
      'prints how the others join',
    );
  });

  const used = await token();

  await t.test('a killed join is completed by the same command', async (t) => {
    const killed = lab.exec(b.name, 'env', 'HOME=/root', 'timeout', '-s', 'KILL', '9', '/root/terrarium', ...used);
    t.not((await killed).exitCode, 0);
    await lab.exec(b.name, 'systemctl', 'kill', '--signal=SIGKILL', 'terrarium-executor');
    const joined = await on(b.name, ...used);
    t.equal(joined.exitCode, 0, `${joined.stderr}${joined.stdout.slice(-1500)}`);
  });

  await t.test('tokens that are not good are refused before anything is changed', async (t) => {
    const again = await on(c.name, ...used);
    t.equal(again.exitCode, 2);
    t.match(again.stderr, /used by another machine/);
    const short = await token('--ttl', '0.01');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const late = await on(c.name, ...short);
    t.equal(late.exitCode, 2);
    t.match(late.stderr, /ended at/);
    const foreign = await on(
      c.name,
      'join',
      a.address,
      '--token',
      'abcdef0123.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      '--ca-hash',
      used.at(-1) ?? '',
    );
    t.equal(foreign.exitCode, 2);
    t.match(foreign.stderr, /does not know the join token/);
    const wrongCa = await on(c.name, ...used.slice(0, -1), `sha256:${'0'.repeat(64)}`);
    t.equal(wrongCa.exitCode, 2);
    t.match(wrongCa.stderr, /is not the cluster/);
    t.equal((await lab.exec(c.name, 'ls', '/opt/terrarium')).exitCode, 2, 'nothing was put on the machine');
  });

  await t.test('the third joins', async (t) => {
    const joined = await on(c.name, ...(await token()));
    t.equal(joined.exitCode, 0, `${joined.stderr}${joined.stdout.slice(-1500)}`);
    await checkCluster(t, { ...lab, admin: (args) => on(a.name, ...args) });
  });
});
