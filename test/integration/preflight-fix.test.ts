import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readHostChanges, restoreSysctls } from '../../installer/node/host-changes.ts';
import { applyFix, undoFixes } from '../../installer/preflight/fixes.ts';

const INSTANCES = '/proc/sys/fs/inotify/max_user_instances';
const BOOT = '/etc/sysctl.d/90-terrarium-inotify.conf';
const raised = existsSync(BOOT) || Number(readFileSync(INSTANCES, 'utf8')) >= 8192;

t.test('limits are raised, recorded and put back', { skip: raised && 'the limits of this machine are raised already' }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fix-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'host-changes.json');
  const before = readFileSync(INSTANCES, 'utf8').trim();
  const undo = async (): Promise<void> => {
    restoreSysctls(file);
    await undoFixes(file);
  };
  t.teardown(undo);
  t.match(await applyFix('inotify', file), [`fs.inotify.max_user_instances: ${before} → 8192`]);
  t.equal(readFileSync(INSTANCES, 'utf8').trim(), '8192');
  t.match(readFileSync(BOOT, 'utf8'), /fs\.inotify\.max_user_instances = 8192/);
  t.match(readHostChanges(file), [{ id: 'sysctl:fs.inotify.max_user_instances', before }]);
  t.same(await applyFix('inotify', file), [], 'a second time does nothing');
  await applyFix('map-count', file);
  t.match(readFileSync('/etc/sysctl.d/90-terrarium-map-count.conf', 'utf8'), /vm\.max_map_count = 262144/);
  await undo();
  t.equal(readFileSync(INSTANCES, 'utf8').trim(), before);
  t.notOk(existsSync(BOOT));
});
