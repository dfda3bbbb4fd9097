import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkCluster } from '../support/cluster.ts';
import { checkMembers } from '../support/kills.ts';
import { bootLab, type Lab } from '../support/lab.ts';
import { ROOT, type Ended, type Options } from '../support/terrarium.ts';

/** What an install would have left. */
const TRACES =
  'ls -d /opt/terrarium /var/lib/terrarium /etc/kubernetes /var/lib/kubelet /run/terrarium ' +
  '/usr/local/bin/terrarium 2>/dev/null; true';

function says(t: Test, ended: Ended, exitCode: number, ...patterns: RegExp[]): void {
  t.equal(ended.exitCode, exitCode, `${ended.stderr}${ended.stdout.slice(-1000)}`);
  for (const pattern of patterns) {
    t.match(ended.stdout + ended.stderr, pattern);
  }
  t.notMatch(ended.stderr, /\n\s+at /, 'no stack trace');
}

async function untouched(t: Test, lab: Lab): Promise<void> {
  for (const { name } of lab.machines) {
    t.equal((await lab.exec(name, 'sh', '-c', TRACES)).stdout, '', `nothing was changed on ${name}`);
  }
}

type Install = (options?: Options, ...more: string[]) => Promise<Ended>;

/** An install on a machine that is a node of another cluster. */
async function installOverAnother(t: Test, lab: Lab, install: Install): Promise<void> {
  const other = join(lab.dir, 'other.yaml');
  writeFileSync(
    other,
    readFileSync(lab.clusterFile, 'utf8')
      .replace('name: lab', 'name: other')
      .replace(/hosts:[\s\S]*(?= {2}# node-c)/, 'hosts:\n'),
  );
  const env = { TERRARIUM_CONFIG: join(lab.dir, 'other-home/config.yaml') };
  const installed = await lab.admin(['install', '-f', other], { env });
  t.equal(installed.exitCode, 0, installed.stderr);
  says(t, await install(), 3, /a node \(node-c\) of another cluster: other/, /terrarium uninstall/);
  const still = await lab.admin(['kubectl', 'get', 'nodes'], { env });
  t.match(still.stdout, /node-c +Ready/, 'the other cluster runs on');
  const removed = await lab.admin(['uninstall', '-f', other, '--yes', '--data'], { env });
  t.equal(removed.exitCode, 0, removed.stderr);
  await untouched(t, lab);
}

/** An install that gets a SIGINT. */
async function interrupt(t: Test, install: Install): Promise<void> {
  let pid = 0;
  let seen = '';
  const ended = await install(
    {
      onStart: (p) => {
        pid = p;
      },
      onStdout: (text) => {
        const before = seen.includes('prepare/node-a/images');
        seen += text;
        if (!before && seen.includes('prepare/node-a/images')) {
          process.kill(pid, 'SIGINT');
        }
      },
    },
    '--json',
  );
  says(t, ended, 130, /goes on|same command/i);
}

t.test(
  'what can be wrong is said with host and remedy, and the same command completes once it is put right',
  async (t) => {
    const lab = await bootLab('--nodes', '3');
    t.teardown(() => lab.down());
    const [a, b, c] = lab.machines;
    if (a === undefined || b === undefined || c === undefined) {
      throw new Error('no machines');
    }
    const install: Install = (options = {}, ...more) => lab.admin(['install', '-f', lab.clusterFile, ...more], options);

    await t.test('an unreachable host', async (t) => {
      await lab.admin(['lab', 'stop', c.name]);
      says(t, await install(), 5, new RegExp(c.address.replaceAll('.', '\\.')));
      await lab.admin(['lab', 'start', c.name]);
      await untouched(t, lab);
    });

    await t.test('a wrong key', async (t) => {
      const key = join(lab.dir, 'id_ed25519');
      const right = readFileSync(key);
      writeFileSync(
        key,
        generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }),
        { mode: 0o600 },
      );
      says(t, await install(), 5, /refused the login of admin/);
      writeFileSync(key, right, { mode: 0o600 });
      await untouched(t, lab);
    });

    await t.test('two hosts with one hostname', async (t) => {
      await lab.exec(b.name, 'hostname', a.name);
      says(t, await install(), 3, /10\.77\.0\.11 and 10\.77\.0\.12 are all called node-a/, /hostnamectl/);
      await lab.exec(b.name, 'hostname', b.name);
      await untouched(t, lab);
    });

    await t.test('a port taken', async (t) => {
      await lab.exec(b.name, 'systemd-run', '--unit=squatter', '--socket-property=ListenStream=6443', 'sleep', '1');
      says(t, await install(), 3, /Port 6443 \(Kubernetes API server\) is taken by/, /ports\.api/);
      await lab.exec(b.name, 'systemctl', 'stop', 'squatter.socket');
      await untouched(t, lab);
    });

    await t.test('no space', async (t) => {
      await lab.exec(
        c.name,
        'sh',
        '-c',
        'fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 2000000000)) /ballast',
      );
      says(t, await install(), 3, /has 1\.\d GiB free/);
      await lab.exec(c.name, 'rm', '/ballast');
      await untouched(t, lab);
    });

    await t.test('a truncated bundle', async (t) => {
      const whole = readdirSync(join(ROOT, 'dist')).find((f) => f.endsWith('.bundle')) ?? '';
      const file = join(lab.dir, 'x.bundle');
      copyFileSync(join(ROOT, 'dist', whole), file);
      truncateSync(file, 1_000_000);
      says(t, await install({}, '--bundle', file), 2, /x\.bundle/);
      await untouched(t, lab);
    });

    await t.test('a host of another cluster', (t) => installOverAnother(t, lab, install));

    await t.test('Ctrl-C while the machines are changed', (t) => interrupt(t, install));

    const last = await install();
    t.equal(last.exitCode, 0, last.stderr);
    await checkCluster(t, lab);
    await checkMembers(t, lab);
  },
);
