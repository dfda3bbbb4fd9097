import { execFileSync } from 'node:child_process';
import { cpSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import t from 'tap';
import { isErrno } from '../../src/errors.ts';
import type { Replica } from '../../src/store/replica.ts';
import { until } from '../support/local-cloud.ts';
import { startCluster, STREAMS, type Member } from '../support/store-cluster.ts';
import { lostOrTwice, startWriters } from '../support/store-load.ts';

const mounted: string[] = [];

/** Gives a folder a file system of its own. */
function smallDisk(dir: string): void {
  mkdirSync(dir, { recursive: true });
  const copy = mkdtempSync(join(tmpdir(), 'terrarium-full-'));
  cpSync(dir, copy, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', dir]);
  mounted.push(dir);
  cpSync(copy, dir, { recursive: true });
  rmSync(copy, { recursive: true });
}

function fill(dir: string): string {
  const file = join(dir, 'fill');
  const fd = openSync(file, 'w');
  try {
    for (let piece = 1 << 20; piece >= 1024;) {
      try {
        if (writeSync(fd, Buffer.alloc(piece)) < piece) {
          piece = Math.floor(piece / 2);
        }
      } catch (error) {
        if (!isErrno(error, 'ENOSPC')) {
          throw error;
        }
        piece = Math.floor(piece / 2);
      }
    }
  } finally {
    closeSync(fd);
  }
  return file;
}

async function leader(members: Member[]): Promise<Member> {
  const nc = members.find((m) => m.connection !== undefined)?.connection;
  if (nc === undefined) {
    throw new Error('nobody is connected');
  }
  return until('a leader', async () => {
    const info = await (
      await jetstreamManager(nc)
    ).streams
      .info(`LOG_${members[0]?.replica?.status().epoch}`)
      .catch(() => undefined);
    return members.find((m) => m.name === info?.cluster?.leader);
  });
}

/**
 * What is full: all that a member has, or only what nats-server keeps of the log itself, so that it agrees to entries
 * and then cannot store them.
 */
const CASES = {
  'the disk': '.',
  'the file system of the log': dirname(STREAMS),
};

if (process.getuid?.() !== 0) {
  t.plan(0, 'needs root');
} else {
  for (const [what, folder] of Object.entries(CASES)) {
    t.test(`${what} of the leader of the stream fills up under 20 writers, and is freed`, async (t) => {
      const running = await startCluster(3, false, (dir) => smallDisk(join(dir, folder)));
      t.teardown(async () => {
        for (const dir of mounted.splice(0)) {
          execFileSync('umount', ['--lazy', dir]);
        }
        await running.stop();
      });
      await Promise.all(running.members.map((m) => running.open(m)));
      await running.ready();
      const load = startWriters(20, 50, (writer, attempt) => running.members[(writer + attempt) % 3]?.replica);
      await sleep(2000);
      const victim = await leader(running.members);
      const others = running.members.filter((m) => m !== victim);
      const file = fill(join(victim.dir, '..', folder));
      await sleep(12_000);
      const full = load.acknowledged.size;
      await until('the others to write on', () => (load.acknowledged.size > full ? true : undefined));
      t.comment(JSON.stringify(running.members.map((m) => m.replica?.status())));
      await until('its server to know that it could not write', () => (victim.server.starved ? true : undefined)).catch(
        (error: Error) => {
          t.comment(
            running.log
              .filter((l) => l.includes(` ${victim.name} `))
              .slice(-80)
              .join('\n'),
          );
          throw error;
        },
      );
      rmSync(file);
      const freed = Date.now();
      await until('its server to have a current copy again', async () => {
        const nc = others[0]?.connection;
        const info =
          nc === undefined
            ? undefined
            : await (
                await jetstreamManager(nc)
              ).streams
                .info(`LOG_${others[0]?.replica?.status().epoch}`)
                .catch(() => undefined);
        const { leader: first, replicas = [] } = info?.cluster ?? {};
        return first === victim.name || replicas.some((r) => r.name === victim.name && r.current) ? true : undefined;
      });
      t.comment(`current ${Date.now() - freed} ms after the disk was freed`);
      await sleep(2_000);
      await load.stop();
      await running.equal().catch((error: Error) => {
        t.comment(running.log.slice(-120).join('\n'));
        throw error;
      });
      for (const m of [victim, ...others]) {
        t.same(lostOrTwice((m.replica as Replica).db, load), [], m.name);
      }
      t.comment(
        `${load.acknowledged.size} acknowledged, slowest ${load.slowest()} ms, ${load.failed.length} tries failed: ` +
          `${[...new Set(load.failed)].slice(0, 8).join(' | ')}`,
      );
      t.comment(
        running.log
          .filter((l) => !/INF/.test(l))
          .slice(-60)
          .join('\n'),
      );
    });
  }
}
