import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { databases, leaveDamaged, names, namesTo, openOne } from '../support/store-damage.ts';

t.test('a restore may be killed before any of its changes of the disk: nothing is lost', async (t) => {
  const template = join(t.testdir(), 'template');
  await leaveDamaged(template);
  const script = `const { openReplica } = await import('./src/store/open.ts');
    const space = () => ({ free: 1e12, total: 1e12 });
    const r = await openReplica({ self: 'n1', dir: process.argv[1], log: () => {}, space });
    await r.stop();`;
  let kills = 0;
  const left = new Set<string>();
  for (const call of ['rename', 'unlink', 'fsync', 'fdatasync']) {
    for (let when = 1; ; when += 1) {
      const dir = `${template}-${call}-${when}`;
      cpSync(template, dir, { recursive: true });
      const { status, signal, stderr } = spawnSync(
        'strace',
        [
          '-f',
          '-qq',
          '-o',
          '/dev/null',
          '-e',
          `trace=${call}`,
          '-e',
          `inject=${call}:signal=KILL:when=${when}`,
          process.execPath,
          '--input-type=module',
          '-e',
          script,
          dir,
        ],
        { encoding: 'utf8' },
      );
      if (signal === null && status !== 0) {
        throw new Error(stderr);
      }
      left.add(databases(dir).join(' '));
      const r = await openOne(dir);
      const found = { position: r.position(), reason: r.status().reason, names: JSON.stringify(names(r)) };
      await r.stop();
      if (found.position !== 601 || found.reason !== undefined || found.names !== JSON.stringify(namesTo(600))) {
        t.fail(`killed before ${call} ${when}: position ${found.position}, ${found.reason}`);
      }
      if (databases(dir).some((name) => name.startsWith('rest'))) {
        t.fail(`killed before ${call} ${when}: ${databases(dir).join(' ')} are left`);
      }
      rmSync(dir, { recursive: true });
      if (signal === null) {
        break;
      }
      kills += 1;
    }
  }
  t.comment(`${kills} kills, which left ${[...left].join(' | ')}`);
  for (const between of ['restoring.db state.db', 'restored.db state.db', 'aside.db restored.db']) {
    t.ok(left.has(between), between);
  }
});
