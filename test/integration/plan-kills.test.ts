import type { ChildProcess } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { seeded } from '../support/seeded.ts';
import { ends, exit, group, leaf, prepare } from './support/plan-site.ts';

/** Starts a process again whenever it is killed, as systemd does. */
function supervised(start: () => ChildProcess, killed: () => void): { kill(): void; end: Promise<number | string> } {
  let child = start();
  const end = (async () => {
    for (;;) {
      const code = await exit(child);
      if (code !== 'SIGKILL') {
        return code;
      }
      killed();
      child = start();
    }
  })();
  return { kill: () => void child.kill('SIGKILL'), end };
}

for (const seed of [1, 2, 3]) {
  t.test(
    `ten kills at moments of seed ${seed}: everything is completed once, exclusive steps one at a time`,
    async (t) => {
      const s = await prepare(t);
      const trace = join(s.data('n1'), '../trace');
      const chain = (node: string): ReturnType<typeof group> =>
        group(`chain-${node}`, 'serial', [
          leaf(node, 'quick-0'),
          leaf(node, 'slow-a'),
          leaf(node, 'slow-etcd', 'etcd'),
          leaf(node, 'quick-1'),
          leaf(node, 'slow-b'),
        ]);
      s.plan(
        group('root', 'serial', [group('both', 'parallel', [chain('n1'), chain('n2')]), leaf('n1', 'quick-last')]),
      );
      const next = seeded(seed);
      const processes = [
        ...['n1', 'n2'].map((node) =>
          supervised(
            () => s.executor(node),
            () => appendFileSync(trace, `killed all ${node}\n`),
          ),
        ),
        supervised(
          () => s.coordinator(),
          () => undefined,
        ),
      ];
      let over = false;
      const coordinator = processes[2]?.end.finally(() => (over = true));
      for (let n = 0; n < 10 && !over; n += 1) {
        await new Promise((resolve) => setTimeout(resolve, 200 + next() * 600));
        // After its last step the coordinator asks the executors to end, 10 s long: one that is killed then and starts
        // later would never be asked.
        if (!over && !(existsSync(trace) && readFileSync(trace, 'utf8').includes('start quick-last'))) {
          processes[Math.floor(next() * processes.length)]?.kill();
        }
      }
      t.equal(await coordinator, 0);
      t.match(ends(s.events()), [{ ok: true }]);
      t.same(await Promise.all(processes.map((p) => p.end)), [0, 0, 0]);

      const active = new Set<string>();
      const ended: string[] = [];
      const overlaps: string[] = [];
      for (const line of readFileSync(trace, 'utf8').trim().split('\n')) {
        const [what, phase, node = ''] = line.split(' ');
        const step = `${phase}/${node}`;
        if (what === 'start' && phase === 'slow-etcd') {
          overlaps.push(...[...active].filter((a) => a.startsWith('slow-etcd/')));
        }
        if (what === 'start') {
          active.add(step);
        }
        if (what === 'end') {
          ended.push(step);
        }
        if (what === 'end') {
          active.delete(step);
        }
        if (what === 'killed') {
          for (const a of active) {
            if (a.endsWith(`/${node}`)) {
              active.delete(a);
            }
          }
        }
      }
      t.same(overlaps, []);
      t.same(
        ended.toSorted(),
        ['n1', 'n2']
          .flatMap((n) => ['quick-0', 'quick-1', 'slow-a', 'slow-b', 'slow-etcd'].map((p) => `${p}/${n}`))
          .concat('quick-last/n1')
          .toSorted(),
      );
      t.equal(ended.at(-1), 'quick-last/n1');
    },
  );
}
