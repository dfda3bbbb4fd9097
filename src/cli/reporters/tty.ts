import { Listr, ListrLogger, ProcessOutput, type ListrTask } from 'listr2';
import type { PlanGroup, PlanNode } from '../../../installer/plan/types.ts';
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

/** What is shown, and of what. */
interface Screen {
  view: RunView;
  terminal: NodeJS.WriteStream;
  /** By the id of their node. */
  rows: Map<string, Row>;
  /** Nothing more will happen. */
  over: boolean;
}

/** A live task list: the plan's groups, below a running one its own children, two levels deep at most. */
export function ttyReporter(stdout: Io['stdout']): Reporter {
  const screen: Screen = {
    view: emptyView(),
    terminal: stdout as NodeJS.WriteStream,
    rows: new Map(),
    over: false,
  };
  let list: Promise<unknown> | undefined;
  let tail: string[] = [];

  return {
    event(event) {
      fold(screen.view, event);
      const root = screen.view.plan?.root;
      if (event.type === 'plan' && root !== undefined && list === undefined) {
        list = begin(screen, root);
      }
      if (event.type === 'log') {
        return;
      }
      if (event.type === 'end') {
        screen.over = true;
        tail = summary(screen.view, event.ms);
      }
      refresh(screen);
    },
    async finish() {
      screen.over = true;
      refresh(screen);
      await list?.catch(() => undefined);
      if (tail.length > 0) {
        stdout.write(`\n${tail.map((line) => `${line}\n`).join('')}`);
      }
      tail = [];
    },
  };
}

function begin(screen: Screen, root: PlanGroup): Promise<unknown> {
  const { terminal } = screen;
  const limit = (terminal.rows ?? 24) - SPARE_ROWS;
  const tasks = root.children.map((child) =>
    child.kind === 'leaf' || child.children.length + root.children.length > limit
      ? closedTask(screen, child, 0)
      : openTask(screen, child),
  );
  const logger = new ListrLogger({ processOutput: new ProcessOutput(terminal, terminal) });
  return new Listr(tasks, {
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

/** A task of one line. */
function closedTask(screen: Screen, node: PlanNode, indent: number): ListrTask {
  const mine = addRow(screen, node, indent, false);
  return {
    title: text(screen, mine),
    task: (_, wrapper) => {
      meet(screen, mine, wrapper);
      return mine.promise;
    },
  };
}

/** A task with a line for each of its children while it runs. */
function openTask(screen: Screen, group: PlanGroup): ListrTask {
  const mine = addRow(screen, group, 0, true);
  return {
    title: text(screen, mine),
    task: (_, wrapper) => {
      meet(screen, mine, wrapper);
      // listr2 goes on to the next row after a failure; the run does not.
      if (screen.over || [...screen.view.leaves.values()].some((l) => l.state === 'failed')) {
        return mine.promise;
      }
      return wrapper.newListr(
        group.children.map((c) => closedTask(screen, c, 2)),
        { concurrent: group.order === 'parallel', exitOnError: false },
      );
    },
  };
}

function addRow(screen: Screen, node: PlanNode, indent: number, open: boolean): Row {
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
  screen.rows.set(node.id, made);
  return made;
}

function text({ view, terminal }: Screen, of: Row): string {
  return cut(rowText(view, of.node, of.open), (terminal.columns ?? 80) - 4 - of.indent);
}

/** Ties a row to the line that listr2 has given it. */
function meet(screen: Screen, mine: Row, wrapper: { title: string; skip(): void }): void {
  mine.show = (title) => (wrapper.title = title);
  mine.skip = () => wrapper.skip();
  mine.show(text(screen, mine));
  if (screen.over && !mine.settled) {
    mine.skip();
  }
}

function refresh(screen: Screen): void {
  for (const mine of screen.rows.values()) {
    mine.show?.(text(screen, mine));
    if (mine.settled) {
      continue;
    }
    const leaves = leavesOf(screen.view, mine.node);
    const failed = leaves.find((l) => l.state === 'failed');
    if (leaves.every((l) => l.state === 'completed' || l.state === 'rolled back')) {
      mine.settled = true;
      mine.resolve();
    } else if (failed !== undefined && (screen.over || !leaves.some((l) => l.state === 'in progress'))) {
      mine.settled = true;
      mine.reject(new Error(failed.error === undefined ? 'failed' : explain(failed.error)));
    } else if (screen.over) {
      mine.skip?.();
      mine.resolve();
    }
  }
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
