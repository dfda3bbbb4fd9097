import { Listr, ListrLogger, ProcessOutput, type ListrTask } from 'listr2';
import type { PlanNode } from '../../../installer/plan/types.ts';
import { explain } from '../../errors.ts';
import type { Io } from '../command.ts';
import { emptyView, fold, type RunView } from './model.ts';
import type { Reporter } from './reporter.ts';
import { cut, rowText } from './rows.ts';
import { summary } from './summary.ts';

/** Lines of the terminal that are left free; listr2 cannot redraw more rows than the terminal has. */
const SPARE_ROWS = 6;

/** One row of the list: a leaf, or a group whose steps are told in its one line. */
interface Row {
  node: PlanNode;
  /** Spaces before it. */
  indent: number;
  /** Its children have rows of their own while it runs. */
  open: boolean;
  settled: boolean;
  /** What listr2 waits for. */
  promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
  show: ((title: string) => void) | undefined;
  /** Marks it as one that the run did not come to. */
  skip: (() => void) | undefined;
}

/** A live task list: the plan's groups, below a running one its own children, two levels deep at most. */
export function ttyReporter(stdout: Io['stdout']): Reporter {
  const view = emptyView();
  const terminal = stdout as NodeJS.WriteStream;
  const rows = new Map<string, Row>();
  let list: Promise<unknown> | undefined;
  let over = false;
  let tail: string[] = [];

  const columns = (): number => terminal.columns ?? 80;
  const row = (node: PlanNode, indent: number, open: boolean): Row => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => undefined);
    const made: Row = {
      node,
      indent,
      open,
      settled: false,
      promise,
      resolve,
      reject,
      show: undefined,
      skip: undefined,
    };
    rows.set(node.id, made);
    return made;
  };
  const text = (of: Row): string => cut(rowText(view, of.node, of.open), columns() - 4 - of.indent);

  function meet(mine: Row, wrapper: { title: string; skip(): void }): void {
    mine.show = (title) => (wrapper.title = title);
    mine.skip = () => wrapper.skip();
    mine.show(text(mine));
    if (over && !mine.settled) {
      mine.skip();
    }
  }

  function task(node: PlanNode, indent: number): ListrTask {
    const mine = row(node, indent, false);
    return {
      title: text(mine),
      task: (_, wrapper) => {
        meet(mine, wrapper);
        return mine.promise;
      },
    };
  }

  function begin(run: RunView): void {
    const root = run.plan?.root;
    if (root === undefined || list !== undefined) {
      return;
    }
    const limit = (terminal.rows ?? 24) - SPARE_ROWS;
    const tasks = root.children.map((child): ListrTask => {
      if (child.kind === 'leaf' || child.children.length + root.children.length > limit) {
        return task(child, 0);
      }
      const mine = row(child, 0, true);
      return {
        title: text(mine),
        task: (_, wrapper) => {
          meet(mine, wrapper);
          // listr2 goes on to the next row after a failure; the run does not.
          if (over || [...view.leaves.values()].some((l) => l.state === 'failed')) {
            return mine.promise;
          }
          return wrapper.newListr(
            child.children.map((c) => task(c, 2)),
            { concurrent: child.order === 'parallel', exitOnError: false },
          );
        },
      };
    });
    const logger = new ListrLogger({ processOutput: new ProcessOutput(terminal, terminal) });
    list = new Listr(tasks, {
      concurrent: root.order === 'parallel',
      exitOnError: false,
      registerSignalListeners: false,
      fallbackRendererCondition: false,
      forceTTY: true,
      rendererOptions: {
        logger,
        collapseSubtasks: true,
        collapseErrors: false,
        showErrorMessage: false,
        collapseSkips: false,
        showSkipMessage: false,
      },
    }).run();
  }

  function refresh(): void {
    for (const mine of rows.values()) {
      mine.show?.(text(mine));
      if (mine.settled) {
        continue;
      }
      const leaves = leavesOf(view, mine.node);
      const failed = leaves.find((l) => l.state === 'failed');
      if (leaves.every((l) => l.state === 'completed' || l.state === 'rolled back')) {
        mine.settled = true;
        mine.resolve();
      } else if (failed !== undefined && (over || !leaves.some((l) => l.state === 'in progress'))) {
        mine.settled = true;
        mine.reject(new Error(failed.error === undefined ? 'failed' : explain(failed.error)));
      } else if (over) {
        mine.skip?.();
        mine.resolve();
      }
    }
  }

  return {
    event(event) {
      fold(view, event);
      if (event.type === 'plan') {
        begin(view);
      }
      if (event.type === 'log') {
        return;
      }
      if (event.type === 'end') {
        over = true;
        tail = summary(view, event.ms);
      }
      refresh();
    },
    async finish() {
      over = true;
      refresh();
      await list?.catch(() => undefined);
      if (tail.length > 0) {
        stdout.write(`\n${tail.map((line) => `${line}\n`).join('')}`);
      }
      tail = [];
    },
  };
}

function leavesOf(
  view: RunView,
  node: PlanNode,
): { state: string; error: Parameters<typeof explain>[0] | undefined }[] {
  if (node.kind === 'group') {
    return node.children.flatMap((child) => leavesOf(view, child));
  }
  const leaf = view.leaves.get(node.id);
  return leaf === undefined ? [] : [leaf];
}
