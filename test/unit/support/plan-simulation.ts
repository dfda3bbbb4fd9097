import { coordinate } from '../../../installer/plan/coordinator.ts';
import type { JournalRecord } from '../../../installer/plan/journal.ts';
import { leafRuns, type LeafRuns } from '../../../installer/plan/leaf-runs.ts';
import { Unreachable, type ExecutorClient } from '../../../installer/plan/rpc.ts';
import { leavesOf } from '../../../installer/plan/schema.ts';
import type { Phase, Plan, PlanGroup, PlanLeaf, PlanNode } from '../../../installer/plan/types.ts';

export const NODES = ['n1', 'n2', 'n3'];
const NEVER = new Promise<never>(() => undefined);
/** Steps of a phase. */
const PHASE_STEPS = 3;

/** `check` and `work`: how slow `isDone` and each step of `do` are. */
export type Leaf = { node: string; exclusive: boolean; fails: boolean; check: number; work: number };

export interface Crash {
  /** How many steps of phases after the last crash. */
  after: number;
  kind: 'executor' | 'coordinator' | 'connection';
  node: string;
}

interface Simulation {
  plan: Plan;
  shapes: Map<string, Leaf>;
  leaves: Map<string, PlanLeaf>;
  /** The leaves that must be done before each leaf. */
  before: Map<string, string[]>;
  /** The steps that were made of each leaf. */
  machine: Map<string, number>;
  active: Set<string>;
  failed: Set<string>;
  completions: Map<string, number>;
  violations: string[];
  /** The number of each node's executor that is alive. */
  generations: Map<string, number>;
  executors: Map<string, LeafRuns>;
  /** Functions that break each node's connections. */
  cuts: Map<string, Set<() => void>>;
  journal: Map<string, JournalRecord>;
  /** The number of the coordinator that is alive. */
  incarnation: number;
  /** Kills the coordinator. */
  kill(): void;
  /** Steps since the last crash. */
  steps: number;
  /** Crashes to come. */
  queue: Crash[];
}

/** Leaves that must be done before a leaf starts. */
function predecessors(root: PlanGroup): Map<string, string[]> {
  const before = new Map<string, string[]>();
  const visit = (node: PlanNode, done: string[]): void => {
    if (node.kind === 'leaf') {
      before.set(node.id, done);
      return;
    }
    let so = done;
    for (const child of node.children) {
      visit(child, so);
      if (node.order === 'serial') {
        so = [...so, ...leavesOf(child).map((l) => l.id)];
      }
    }
  };
  visit(root, []);
  return before;
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function makeSimulation(plan: Plan, shapes: Map<string, Leaf>, script: Crash[]): Simulation {
  return {
    plan,
    shapes,
    leaves: new Map(leavesOf(plan.root).map((l) => [l.id, l])),
    before: predecessors(plan.root),
    machine: new Map(),
    active: new Set(),
    failed: new Set(),
    completions: new Map(),
    violations: [],
    generations: new Map(NODES.map((n) => [n, 0])),
    executors: new Map(),
    cuts: new Map(NODES.map((n) => [n, new Set()])),
    journal: new Map(),
    incarnation: 0,
    kill: () => undefined,
    steps: 0,
    queue: [...script],
  };
}

/** Breaks the connections to a node. */
function cut({ cuts }: Simulation, node: string): void {
  for (const break_ of cuts.get(node) ?? []) {
    break_();
  }
  cuts.get(node)?.clear();
}

/** Counts a step of a phase; the next crash comes when it is due. */
function step(simulation: Simulation): void {
  simulation.steps += 1;
  const next = simulation.queue[0];
  if (next === undefined || simulation.steps <= next.after) {
    return;
  }
  simulation.queue.shift();
  simulation.steps = 0;
  if (next.kind === 'coordinator') {
    simulation.kill();
  }
  if (next.kind === 'connection') {
    cut(simulation, next.node);
  }
  if (next.kind === 'executor') {
    boot(simulation, next.node);
  }
}

/** Starts a node's executor, which ends the one before. */
function boot(simulation: Simulation, node: string): void {
  const { plan, generations, leaves, active, executors } = simulation;
  const generation = (generations.get(node) ?? 0) + 1;
  generations.set(node, generation);
  for (const leaf of leaves.values()) {
    if (leaf.node === node) {
      active.delete(leaf.id);
    }
  }
  const spec = plan.spec.nodes.find((n) => n.name === node);
  if (spec === undefined) {
    throw new Error(node);
  }
  executors.set(
    node,
    leafRuns({
      spec: plan.spec,
      node: spec,
      signal: new AbortController().signal,
      log: () => undefined,
      journal: { record: () => undefined, close: () => undefined },
      loadPhase: async () => phase(simulation, () => generations.get(node) === generation),
    }),
  );
  cut(simulation, node);
}

/** @throws Error where a leaf starts too early; what runs beside it and must not is noted. */
function checkStart({ leaves, before, machine, active, violations }: Simulation, current: string): void {
  const leaf = leaves.get(current) as PlanLeaf;
  for (const earlier of before.get(current) ?? []) {
    if ((machine.get(earlier) ?? 0) < PHASE_STEPS) {
      throw new Error(`VIOLATED: ${current} started before ${earlier} was done`);
    }
  }
  if (active.has(current)) {
    violations.push(`${current} runs twice at once`);
  }
  if (leaf.exclusive !== undefined) {
    for (const other of active) {
      if (leaves.get(other)?.exclusive === leaf.exclusive) {
        violations.push(`${current} overlaps ${other}`);
      }
    }
  }
}

/** A phase of three steps; what a killed executor would still do is lost. */
function phase(simulation: Simulation, alive: () => boolean): Phase {
  const { shapes, machine, active, failed, completions } = simulation;
  const pause = async (ticks: number): Promise<void> => {
    for (let n = 0; n <= ticks; n += 1) {
      await tick();
    }
    if (!alive()) {
      await NEVER;
    }
  };
  return {
    title: 'p',
    isDone: async (_, input) => {
      await pause(shapes.get(input as string)?.check ?? 0);
      return (machine.get(input as string) ?? 0) >= PHASE_STEPS;
    },
    do: async (_, input) => {
      const current = input as string;
      checkStart(simulation, current);
      active.add(current);
      try {
        for (let at = machine.get(current) ?? 0; at < PHASE_STEPS; at += 1) {
          await pause(shapes.get(current)?.work ?? 0);
          if (at === 1 && shapes.get(current)?.fails === true && !failed.has(current)) {
            failed.add(current);
            throw new Error('fails once');
          }
          machine.set(current, at + 1);
          if (at === PHASE_STEPS - 1) {
            completions.set(current, (completions.get(current) ?? 0) + 1);
          }
          step(simulation);
          if (!alive()) {
            await NEVER;
          }
        }
      } finally {
        active.delete(current);
      }
    },
    undo: async () => undefined,
  };
}

/** The connection of one coordinator, `mine`, to a node's executor. */
function client(simulation: Simulation, node: string, mine: number): ExecutorClient {
  const { plan, executors, cuts } = simulation;
  const alive = (): boolean => mine === simulation.incarnation;
  const guarded = <T>(work: (executor: LeafRuns) => Promise<T>): Promise<T> => {
    if (!alive()) {
      return NEVER;
    }
    const executor = executors.get(node) as LeafRuns;
    return new Promise<T>((resolve, reject) => {
      cuts
        .get(node)
        ?.add(() => void tick().then(() => (alive() ? reject(new Unreachable('connection lost', true)) : undefined)));
      work(executor).then(
        (value) => (alive() ? resolve(value) : undefined),
        (error: unknown) => (alive() ? reject(error as Error) : undefined),
      );
    });
  };
  return {
    leaf: (request, onMessage) =>
      guarded(async (executor) => {
        let outcome: { value?: unknown; error?: Error } = {};
        await executor.attach({ operation: plan.id, ...request, input: request.leaf }, (message) => {
          if (message.type === 'result') {
            outcome = { value: message.value };
          } else if (message.type === 'error') {
            outcome = { error: new Error(message.error.message) };
          } else if (alive()) {
            onMessage(message);
          }
        });
        if (outcome.error !== undefined) {
          throw outcome.error;
        }
        return outcome.value as boolean;
      }),
    procedure: async () => null,
    state: () =>
      guarded(async (executor) => ({
        operation: plan.id,
        node,
        version: '',
        running: executor.running(),
        leaves: {},
      })),
    finish: async () => undefined,
    close: () => undefined,
  };
}

/** @throws Error where the coordinator says that all is done, and it is not. */
function checkDone({ leaves, machine, completions, journal }: Simulation): void {
  for (const id of leaves.keys()) {
    if (machine.get(id) !== PHASE_STEPS) {
      throw new Error(`${id} is not done`);
    }
    if (completions.get(id) !== 1) {
      throw new Error(`${id} was completed ${completions.get(id) ?? 0} times`);
    }
    const state = journal.get(id)?.state;
    if (state !== 'completed') {
      throw new Error(`the journal calls ${id} ${state ?? 'nothing'}`);
    }
  }
}

/** One coordinator, until it ends or is killed. */
function runCoordinator(simulation: Simulation): Promise<boolean | 'killed'> {
  const { plan, journal, violations } = simulation;
  simulation.incarnation += 1;
  const mine = simulation.incarnation;
  const alive = (): boolean => mine === simulation.incarnation;
  const killed = new Promise<'killed'>((resolve) => {
    simulation.kill = () => {
      simulation.incarnation += 1;
      resolve('killed');
    };
  });
  return Promise.race([
    killed,
    coordinate({
      plan,
      files: { log: (node) => node },
      before: new Map(journal),
      journal: {
        record: (entry) => void (alive() && journal.set(entry.leaf, { at: '', ...entry })),
        close: () => undefined,
      },
      emit: (event) => {
        if (alive() && event.type === 'leaf' && event.error?.message.includes('VIOLATED') === true) {
          violations.push(event.error.message);
        }
      },
      loadPhase: async () => phase(simulation, () => true),
      connect: (node) => client(simulation, node.name, mine),
      patience: { goneMs: 60_000, losses: 100, pauseMs: 0 },
    }),
  ]);
}

/**
 * Carries a plan out, with these crashes meanwhile. The coordinator and the executors' leaf runs are the product's, in
 * one process; machines, connections and processes are simulated. A killed process is one whose further effects are
 * lost and whose promises never resolve.
 * @throws Error where a rule of the plan was broken, or where it does not come to its end.
 */
export async function simulate(plan: Plan, shapes: Map<string, Leaf>, script: Crash[]): Promise<void> {
  const simulation = makeSimulation(plan, shapes, script);
  for (const node of NODES) {
    boot(simulation, node);
  }
  for (let attempt = 0; attempt < script.length + shapes.size + 2; attempt += 1) {
    const outcome = await runCoordinator(simulation);
    if (simulation.violations.length > 0) {
      throw new Error(simulation.violations.join('; '));
    }
    if (outcome === true) {
      return checkDone(simulation);
    }
  }
  throw new Error('never came to its end');
}
