import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nodePaths } from '../../installer/cluster/paths.ts';
import { containerdConfig } from '../../installer/node/containerd-config.ts';
import { DIR, madeDirs, recordHostChange } from '../../installer/node/host-changes.ts';
import { mountPoints, removeEmptyFolders, removeTree } from '../../installer/node/remove.ts';

t.test('never crosses a mount point and never follows a link', async (t) => {
  const dir = t.testdir({
    ours: { a: 'a', foreign: { data: 'kept' }, keep: { x: 'kept' }, deep: { er: 'gone' } },
    outside: { file: 'kept' },
  });
  const root = join(dir, 'ours');
  symlinkSync(join(dir, 'outside'), join(root, 'link'));
  const left = removeTree(root, [join(root, 'keep')], new Set([join(root, 'foreign')]));
  t.strictSame(left.sort(), [join(root, 'foreign'), join(root, 'keep')].sort());
  t.ok(existsSync(join(root, 'foreign/data')));
  t.ok(existsSync(join(root, 'keep/x')));
  t.ok(existsSync(join(dir, 'outside/file')));
  t.notOk(existsSync(join(root, 'a')));
  t.notOk(existsSync(join(root, 'deep')));
  t.notOk(existsSync(join(root, 'link')));
});

t.test('nothing there is fine', async (t) => {
  t.strictSame(removeTree(join(t.testdir({}), 'nothing')), []);
});

t.test("reads the kernel's escapes", async (t) => {
  t.strictSame(mountPoints('1 2 0:1 / /a\\040b rw - ext4 x rw\n3 4 0:2 / /c rw - ext4 y rw\n'), ['/a b', '/c']);
  const dir = t.testdir({});
  mkdirSync(join(dir, 'x'));
  writeFileSync(join(dir, 'x/y'), '');
  t.ok(mountPoints().includes('/'));
});

t.test('of the folders that we made only empty ones go', async (t) => {
  const dir = t.testdir({
    recorded: { fifo: { a: {} }, s: {} },
    shared: { s: { foreign: 'socket' }, empty: {} },
    older: {},
  });
  const file = join(dir, 'host-changes.json');
  for (const name of ['recorded', 'shared', 'missing']) {
    recordHostChange(file, {
      id: `${DIR}${dir}/${name}`,
      what: name,
      path: `${dir}/${name}`,
      before: null,
      after: 'made',
    });
  }
  recordHostChange(file, { id: 'sysctl:x', what: 'x', path: `${dir}/older`, before: '1', after: '2' });
  t.same(madeDirs(file), [`${dir}/recorded`, `${dir}/shared`, `${dir}/missing`]);
  t.same(
    madeDirs(file).map((d) => removeEmptyFolders(d)),
    [true, false, true],
  );
  t.notOk(existsSync(`${dir}/recorded`));
  t.ok(existsSync(`${dir}/shared/s/foreign`), 'what somebody else put there stays');
  t.ok(existsSync(`${dir}/older`));
  const mounted = t.testdir({ mount: {} });
  t.equal(removeEmptyFolders(mounted, new Set([`${mounted}/mount`])), false);
  t.ok(existsSync(`${mounted}/mount`), 'nor is a mount point touched');
});

t.test('our shims and runc keep nothing where other runtimes do', async (t) => {
  const config = containerdConfig(
    nodePaths({ prefix: '/opt/terrarium', data: '/var/lib/terrarium' }),
    { cgroupV1: false, restrictOomScoreAdj: false },
    'registry.k8s.io/pause:3',
  );
  t.match(config, "socket_dir = '/run/terrarium/s'");
  t.match(config, "Root = '/run/terrarium/runc'");
  t.notMatch(config, "'/run/containerd");
});
