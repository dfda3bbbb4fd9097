import fc from 'fast-check';
import t from 'tap';
import { coordinate } from '../../installer/plan/coordinator.ts';
import type { JournalRecord } from '../../installer/plan/journal.ts';
import { leafRuns, type LeafRuns } from '../../installer/plan/leaf-runs.ts';
import { Unreachable, type ExecutorClient } from '../../installer/plan/rpc.ts';
import { leavesOf } from '../../installer/plan/schema.ts';
import type { Phase, Plan, PlanGroup, PlanLeaf, PlanNode } from '../../installer/plan/types.ts';

/**
 * The coordinator and the executors' leaf runs as they are, in one process; machines, connections and processes are
 * simulated. A killed process is one whose further effects are lost and whose promises never resolve.
 */
const NODES = ['n1', 'n2', 'n3'];
const NEVER = new Promise<never>(() => undefined);

/** `check` and `work`: how slow `isDone` and each step of `do` are. */
type Leaf = { node: string; exclusive: boolean; fails: boolean; check: number; work: number };
type Shape = Leaf | { order: 'serial' | 'parallel'; atOnce: number | undefined; children: Shape[] };
interface Crash {
  /** How many steps of phases after the last crash. */
  after: number;
  kind: 'executor' | 'coordinator' | 'connection';
  node: string;
}

const { tree } = fc.letrec<{ tree: Shape; leaf: Shape; group: Shape }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3, withCrossShrink: true }, tie('leaf'), tie('group')),
  leaf: fc.record({
    node: fc.constantFrom(...NODES),
    exclusive: fc.boolean(),
    fails: fc.boolean(),
    check: fc.nat(12),
    work: fc.nat(12),
  }),
  group: fc.record({
    order: fc.constantFrom('serial' as const, 'parallel' as const),
    atOnce: fc.constantFrom(undefined, 1, 2),
    children: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }),
  }),
}));
const crashes = fc.array(
  fc.record({
    after: fc.nat(12),
    kind: fc.constantFrom('executor' as const, 'coordinator' as const, 'connection' as const),
    node: fc.constantFrom(...NODES),
  }),
  { maxLength: 6 },
);

function toPlan(shape: Shape[]): { plan: Plan; shapes: Map<string, Leaf> } {
  let count = 0;
  const shapes = new Map<string, Leaf>();
  const build = (s: Shape): PlanNode => {
    const id = `s${(count += 1)}`;
    if ('node' in s) {
      shapes.set(id, s);
      return { kind: 'leaf', id, phase: 'p', node: s.node, ...(s.exclusive ? { exclusive: 'x' } : {}) };
    }
    return {
      kind: 'group',
      id,
      title: id,
      order: s.order,
      ...(s.atOnce === undefined ? {} : { atOnce: s.atOnce }),
      children: s.children.map(build),
    };
  };
  const root: PlanGroup = { kind: 'group', id: 'root', title: 'root', order: 'serial', children: shape.map(build) };
  const nodes = NODES.map((name, i) => ({ name, address: `127.0.0.${i + 1}`, role: 'worker' as const }));
  const spec = {
    id: 'c',
    name: 'c',
    nodes,
    family: 4,
    serviceRange: '',
    ports: {},
    prefix: '/',
    data: '/',
    consoleName: undefined,
    overrides: [],
  } as unknown as Plan['spec'];
  return { plan: { id: 'install-1', operation: 'install', spec, root }, shapes };
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

async function simulate(plan: Plan, shapes: Map<string, Leaf>, script: Crash[]): Promise<void> {
  const leaves = new Map(leavesOf(plan.root).map((l) => [l.id, l]));
  const before = predecessors(plan.root);
  const machine = new Map<string, number>();
  const active = new Set<string>();
  const failed = new Set<string>();
  const completions = new Map<string, number>();
  const generations = new Map(NODES.map((n) => [n, 0]));
  const executors = new Map<string, LeafRuns>();
  const cuts = new Map<string, Set<() => void>>(NODES.map((n) => [n, new Set()]));
  const journal = new Map<string, JournalRecord>();
  let incarnation = 0;
  let kill: () => void = () => undefined;
  let steps = 0;
  const queue = [...script];

  function cut(node: string): void {
    for (const break_ of cuts.get(node) ?? []) {
      break_();
    }
    cuts.get(node)?.clear();
  }
  function step(): void {
    steps += 1;
    const next = queue[0];
    if (next === undefined || steps <= next.after) {
      return;
    }
    queue.shift();
    steps = 0;
    if (next.kind === 'coordinator') {
      kill();
    }
    if (next.kind === 'connection') {
      cut(next.node);
    }
    if (next.kind === 'executor') {
      boot(next.node);
    }
  }
  function boot(node: string): void {
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
        loadPhase: async () => phase(node, () => generations.get(node) === generation),
      }),
    );
    cut(node);
  }
  /** A phase of three steps; what a killed executor would still do is lost. */
  function phase(node: string, alive: () => boolean): Phase {
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
        return (machine.get(input as string) ?? 0) >= 3;
      },
      do: async (_, input) => {
        const current = input as string;
        const leaf = leaves.get(current) as PlanLeaf;
        for (const earlier of before.get(current) ?? []) {
          if ((machine.get(earlier) ?? 0) < 3) {
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
        active.add(current);
        try {
          for (let at = machine.get(current) ?? 0; at < 3; at += 1) {
            await pause(shapes.get(current)?.work ?? 0);
            if (at === 1 && shapes.get(current)?.fails === true && !failed.has(current)) {
              failed.add(current);
              throw new Error('fails once');
            }
            machine.set(current, at + 1);
            if (at === 2) {
              completions.set(current, (completions.get(current) ?? 0) + 1);
            }
            step();
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
  const violations: string[] = [];

  function client(node: string, mine: number): ExecutorClient {
    const guarded = <T>(work: (executor: LeafRuns) => Promise<T>): Promise<T> => {
      if (mine !== incarnation) {
        return NEVER;
      }
      const executor = executors.get(node) as LeafRuns;
      return new Promise<T>((resolve, reject) => {
        cuts
          .get(node)
          ?.add(
            () =>
              void tick().then(() =>
                mine === incarnation ? reject(new Unreachable('connection lost', true)) : undefined,
              ),
          );
        work(executor).then(
          (value) => (mine === incarnation ? resolve(value) : undefined),
          (error: unknown) => (mine === incarnation ? reject(error as Error) : undefined),
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
            } else if (mine === incarnation) {
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

  for (const node of NODES) {
    boot(node);
  }
  for (let attempt = 0; attempt < script.length + shapes.size + 2; attempt += 1) {
    incarnation += 1;
    const mine = incarnation;
    const killed = new Promise<'killed'>((resolve) => {
      kill = () => {
        incarnation += 1;
        resolve('killed');
      };
    });
    const outcome = await Promise.race([
      killed,
      coordinate({
        plan,
        files: { log: (node) => node },
        before: new Map(journal),
        journal: {
          record: (entry) => void (mine === incarnation && journal.set(entry.leaf, { at: '', ...entry })),
          close: () => undefined,
        },
        emit: (event) => {
          if (mine === incarnation && event.type === 'leaf' && event.error?.message.includes('VIOLATED') === true) {
            violations.push(event.error.message);
          }
        },
        loadPhase: async () => phase('', () => true),
        connect: (node) => client(node.name, mine),
        patience: { goneMs: 60_000, losses: 100, pauseMs: 0 },
      }),
    ]);
    if (violations.length > 0) {
      throw new Error(violations.join('; '));
    }
    if (outcome === true) {
      for (const id of leaves.keys()) {
        if (machine.get(id) !== 3) {
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
      return;
    }
  }
  throw new Error('never came to its end');
}

t.test('whatever crashes whenever: all gets done once, in order, exclusive leaves one at a time', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(tree, { minLength: 1, maxLength: 4 }), crashes, async (shape, script) => {
      const { plan, shapes } = toPlan(shape);
      await simulate(plan, shapes, script);
    }),
    { numRuns: 500 },
  );
  t.pass('500 random plans');
});
