import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FILES, recipeKey } from '../../installer/lab/base-recipe.ts';
import { parseHierarchies } from '../../installer/lab/cgroups.ts';
import { parseLabMounts } from '../../installer/lab/mounts.ts';
import {
  imageName,
  isLabCommand,
  isLabImage,
  isLabInterface,
  machineOfCgroup,
  machineOfImage,
  netnsFile,
  rootDir,
} from '../../installer/lab/names.ts';
import { bootCommand, inCgroups, nspawnArguments } from '../../installer/lab/nspawn.ts';
import { missingPackages } from '../../installer/lab/requirements.ts';

t.test('what belongs to a lab is told by its name, and nothing else is', async (t) => {
  for (const name of ['trm0', 'trm-1', 'trm-5']) {
    t.ok(isLabInterface(name), name);
  }
  for (const name of ['trm', 'trm1', 'trm-x', 'eth0', 'xtrm0', 'trm-1x']) {
    t.notOk(isLabInterface(name), name);
  }
  t.ok(isLabImage(`/srv/x/${imageName('Node-A')}`));
  t.ok(isLabImage('/srv/terrarium-lab-node-a.ext4 (deleted)'));
  t.equal(machineOfImage('/srv/terrarium-lab-node-a.ext4 (deleted)'), 'node-a');
  for (const path of ['/srv/disk.ext4', '/srv/terrarium-lab-node-a.ext4.old', '']) {
    t.notOk(isLabImage(path), path);
  }
  t.ok(isLabCommand(bootCommand('Node-A', '')));
  t.ok(isLabCommand(['dnsmasq', '--conf-file=/run/terrarium-lab/dnsmasq.conf']));
  for (const argv of [
    [],
    ['systemd-nspawn', '--machine=web'],
    ['dnsmasq', '--conf-file=/etc/dnsmasq.conf'],
    ['vi', '/run/terrarium-lab/dnsmasq.conf'],
  ]) {
    t.notOk(isLabCommand(argv), argv.join(' '));
  }
});

t.test('a process belongs to the machine whose cgroup it is in, on all kinds of hierarchies', async (t) => {
  t.equal(
    machineOfCgroup(
      '9:name=systemd:/terrarium-lab/node-a/init.scope\n8:pids:/terrarium-lab/node-a\n0::/terrarium-lab/node-a\n',
    ),
    'node-a',
  );
  t.equal(machineOfCgroup('0::/terrarium-lab/node-b/payload/system.slice/ssh.service\n'), 'node-b');
  for (const other of [
    '0::/user.slice\n',
    '0::/x/terrarium-lab/node-a\n',
    '0::/terrarium-lab\n',
    '0::/terrarium-laboratory/node-a\n',
    '',
  ]) {
    t.equal(machineOfCgroup(other), undefined, other);
  }
});

t.test('cgroup hierarchies', async (t) => {
  const hybrid = [
    '31 23 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755',
    '32 31 0:28 / /sys/fs/cgroup/cpuset rw,relatime shared:5 - cgroup cgroup rw,cpuset',
    '33 31 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd',
    '34 31 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
    '35 31 0:30 / /run/somewhere/cgroup rw,relatime - cgroup2 cgroup2 rw',
  ].join('\n');
  t.same(parseHierarchies(hybrid), [
    { mountPoint: '/sys/fs/cgroup/cpuset', version: 1, controllers: ['cpuset'] },
    { mountPoint: '/sys/fs/cgroup/systemd', version: 1, controllers: ['name=systemd'] },
    { mountPoint: '/sys/fs/cgroup/unified', version: 2, controllers: [] },
  ]);
  t.same(parseHierarchies('26 21 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate'), [
    { mountPoint: '/sys/fs/cgroup', version: 2, controllers: [] },
  ]);
});

t.test('mounts of a lab, the innermost first', async (t) => {
  const mountinfo = [
    '22 1 254:0 / / rw - ext4 /dev/vda rw',
    '40 22 7:0 / /run/terrarium-lab/node-a/root rw - ext4 /dev/loop0 rw',
    '41 22 0:4 net:[4026532300] /run/terrarium-lab/net/node-a rw - nsfs nsfs rw',
    '42 40 0:50 / /run/terrarium-lab/node-a/root/a\\040b rw - tmpfs tmpfs rw',
    '43 22 7:1 / /run/terrarium-labour rw - ext4 /dev/loop1 rw',
    '',
  ].join('\n');
  t.same(parseLabMounts(mountinfo), [
    '/run/terrarium-lab/node-a/root/a b',
    '/run/terrarium-lab/net/node-a',
    '/run/terrarium-lab/node-a/root',
  ]);
});

t.test('nspawn gets a namespace, no clock, and the same name everywhere', async (t) => {
  const args = nspawnArguments('Node-A');
  for (const wanted of [
    `--directory=${rootDir('node-a')}`,
    '--machine=trm-node-a',
    '--hostname=Node-A',
    '--drop-capability=CAP_SYS_TIME',
    '--boot',
  ]) {
    t.ok(args.includes(wanted), wanted);
  }
  t.same(bootCommand('Node-A', '').slice(0, 2), ['nsenter', `--net=${netnsFile('node-a')}`]);
});

t.test('a command enters its cgroups and gets its arguments untouched', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'lab-'));
  const output = execFileSync('sh', inCgroups([dir], ['printf', '%s|', 'a b', '$HOME', ';', '--', '*']), {
    encoding: 'utf8',
  });
  t.equal(output, 'a b|$HOME|;|--|*|');
  t.equal(readFileSync(join(dir, 'cgroup.procs'), 'utf8'), '0\n');
  // A folder that is not there must not let the command run elsewhere.
  t.equal(spawnSync('sh', inCgroups([join(dir, 'none')], ['true']), { stdio: 'ignore' }).status, 125);
});

t.test('missing programs are told as Debian packages, each once', async (t) => {
  const has = (program: string): boolean => !['systemd-nspawn', 'mke2fs', 'resize2fs'].includes(program);
  t.same(missingPackages(has, ['systemd-nspawn', 'ip', 'mke2fs', 'resize2fs']), ['e2fsprogs', 'systemd-container']);
  t.same(
    missingPackages(() => true, ['ip']),
    [],
  );
});

t.test('the base recipe', async (t) => {
  t.match(recipeKey('http://a'), /^[0-9a-f]{12}$/);
  t.not(recipeKey('http://a'), recipeKey('http://b'));
  const dir = mkdtempSync(join(tmpdir(), 'lab-'));
  for (const file of FILES.filter((f) => f.content.startsWith('#!/bin/bash'))) {
    const script = join(dir, 'script');
    writeFileSync(script, file.content);
    execFileSync('bash', ['-n', script]);
    t.equal(file.mode, 0o755, file.path);
  }
});
