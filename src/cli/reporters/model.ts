import type { LeafState, Plan, PlanEvent, PlanGroup, PlanLeaf, PlanNode } from '../../../installer/plan/types.ts';
import type { FailureData } from '../../errors.ts';

/**
 * What is known of a leaf, folded from the events. Times in milliseconds since the epoch, by the coordinator's clock.
 */
export interface LeafView {
  leaf: PlanLeaf;
  state: LeafState;
  skipped: boolean;
  startedAt: number | undefined;
  endedAt: number | undefined;
  ms: number | undefined;
  waiting: { for: string; cause: string | undefined } | undefined;
  fraction: number | undefined;
  error: FailureData | undefined;
}

/** What is known of a run. */
export interface RunView {
  plan: Plan | undefined;
  leaves: Map<string, LeafView>;
  /** The time of the first and of the last event. */
  startedAt: number;
  lastAt: number;
}

export function emptyView(): RunView {
  return { plan: undefined, leaves: new Map(), startedAt: 0, lastAt: 0 };
}

function leavesOf(node: PlanNode): PlanLeaf[] {
  return node.kind === 'leaf' ? [node] : node.children.flatMap(leavesOf);
}

/** Folds one event into the view. A second plan (the coordinator was started again) keeps what is known. */
export function fold(view: RunView, event: PlanEvent): void {
  const at = Date.parse(event.at);
  if (view.startedAt === 0) {
    view.startedAt = at;
  }
  view.lastAt = at;
  if (event.type === 'plan') {
    view.plan = event.plan;
    for (const leaf of leavesOf(event.plan.root)) {
      if (!view.leaves.has(leaf.id)) {
        view.leaves.set(leaf.id, {
          leaf,
          state: 'not started',
          skipped: false,
          startedAt: undefined,
          endedAt: undefined,
          ms: undefined,
          waiting: undefined,
          fraction: undefined,
          error: undefined,
        });
      }
    }
    return;
  }
  if (event.type === 'end') {
    return;
  }
  const seen = view.leaves.get(event.id);
  if (seen === undefined) {
    return;
  }
  if (event.type === 'waiting') {
    seen.waiting = { for: event.for, cause: event.cause };
  }
  if (event.type === 'progress') {
    seen.fraction = event.fraction;
  }
  if (event.type !== 'leaf') {
    return;
  }
  seen.waiting = undefined;
  seen.fraction = undefined;
  seen.state = event.state;
  seen.error = event.error;
  if (event.state === 'in progress') {
    seen.startedAt ??= at;
    seen.endedAt = undefined;
    return;
  }
  seen.endedAt = at;
  // A step that an earlier coordinator began and that was found done: it took from its first start.
  seen.skipped = event.skipped === true && seen.ms === undefined;
  if (!(event.skipped === true && seen.ms !== undefined)) {
    seen.ms = event.ms;
  }
}

/** How far a group is: counts of its leaves. */
export function tally(
  view: RunView,
  group: PlanGroup,
): { total: number; done: number; failed: number; running: number } {
  const views = leavesOf(group).flatMap((leaf) => view.leaves.get(leaf.id) ?? []);
  return {
    total: views.length,
    done: views.filter((v) => v.state === 'completed' || v.state === 'rolled back').length,
    failed: views.filter((v) => v.state === 'failed').length,
    running: views.filter((v) => v.state === 'in progress').length,
  };
}

export function seconds(ms: number): string {
  return ms < 60_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** `waiting for the API server (connection refused)`, `43 %`, or nothing. */
export function doing(leaf: LeafView): string {
  const parts = [
    ...(leaf.fraction === undefined || leaf.fraction >= 1 ? [] : [`${Math.round(leaf.fraction * 100)} %`]),
    ...(leaf.waiting === undefined
      ? []
      : [`waiting for ${leaf.waiting.for}${leaf.waiting.cause === undefined ? '' : ` (${leaf.waiting.cause})`}`]),
  ];
  return parts.join(', ');
}
