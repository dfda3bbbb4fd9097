import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountPoints, removeTree } from '../../installer/node/remove.ts';

t.test('never crosses a mount point and never follows a link', async (t) => {
  const dir = t.testdir({ ours: { a: 'a', foreign: { data: 'kept' }, keep: { x: 'kept' }, deep: { er: 'gone' } }, outside: { file: 'kept' } });
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

t.test('reads the kernel\'s escapes', async (t) => {
  t.strictSame(mountPoints('1 2 0:1 / /a\\040b rw - ext4 x rw\n3 4 0:2 / /c rw - ext4 y rw\n'), ['/a b', '/c']);
  const dir = t.testdir({});
  mkdirSync(join(dir, 'x'));
  writeFileSync(join(dir, 'x/y'), '');
  t.ok(mountPoints().includes('/'));
});
