import type { PlanEvent } from '../../../installer/plan/types.ts';
import { explain } from '../../errors.ts';
import type { Io } from '../command.ts';
import { doing, emptyView, fold, seconds, type LeafView } from './model.ts';
import type { Reporter } from './reporter.ts';
import { summary } from './summary.ts';

const STILL_MS = 10_000;

/** Without the host where the line begins with it. */
function sentence({ error, leaf }: LeafView): string {
  if (error === undefined) {
    return '';
  }
  const { host, ...rest } = error;
  return explain(host === undefined || host === leaf.node ? rest : { ...rest, host });
}

/** One line for each change of state, and every ten seconds one for each step that is still at work. */
export function plainReporter(stdout: Io['stdout']): Reporter {
  const view = emptyView();
  let still: NodeJS.Timeout | undefined;
  let behind = 0;

  const width = (): number => Math.max(0, ...(view.plan?.spec.nodes.map((n) => n.name.length) ?? []));
  const write = (at: number, node: string, text: string): void => {
    const time = ((at - view.startedAt) / 1000).toFixed(1).padStart(6);
    stdout.write(`[${time}s] ${node.padEnd(width())}  ${text}\n`);
  };
  const leafLine = (at: number, leaf: LeafView): void => {
    const title = leaf.leaf.title ?? leaf.leaf.phase;
    const took = leaf.ms === undefined ? '' : ` (${seconds(leaf.ms)})`;
    const text = {
      'not started': undefined,
      'in progress': `${title} …`,
      completed: `${title} … ${leaf.skipped ? 'was done already' : `done${took}`}`,
      'rolled back': `${title} … undone${took}`,
      failed: `${title} … FAILED${took}: ${sentence(leaf)}`,
    }[leaf.state];
    if (text !== undefined) {
      write(at, leaf.leaf.node, text);
    }
  };
  const tellStill = (): void => {
    for (const leaf of view.leaves.values()) {
      if (leaf.state !== 'in progress' || leaf.startedAt === undefined) {
        continue;
      }
      const now = Date.now() - behind;
      if (now - leaf.startedAt < STILL_MS) {
        continue;
      }
      const what = doing(leaf);
      write(
        now,
        leaf.leaf.node,
        `${leaf.leaf.title ?? leaf.leaf.phase} … still at it for ` +
          `${seconds(now - leaf.startedAt)}${what === '' ? '' : `, ${what}`}`,
      );
    }
  };
  const finish = (): void => {
    if (still !== undefined) {
      clearInterval(still);
    }
    still = undefined;
  };

  return {
    event(event: PlanEvent) {
      const again = event.type === 'plan' && view.plan !== undefined;
      fold(view, event);
      // The coordinator's clock may differ from ours.
      behind = Date.now() - view.lastAt;
      still ??= setInterval(tellStill, STILL_MS).unref();
      if (again) {
        write(view.lastAt, '', 'the coordinator was started again and goes on');
      }
      if (event.type === 'leaf') {
        const leaf = view.leaves.get(event.id);
        if (leaf !== undefined) {
          leafLine(view.lastAt, leaf);
        }
      }
      if (event.type === 'end') {
        finish();
        for (const line of ['', ...summary(view, event.ms)]) {
          stdout.write(`${line}\n`);
        }
      }
    },
    finish: async () => finish(),
  };
}
