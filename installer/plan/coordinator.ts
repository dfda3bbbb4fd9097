import type { FailureData } from '../../src/errors.ts';
import type { NodeSpec } from '../cluster/spec.ts';
import type { OperationFiles } from './files.ts';
import type { Journal, JournalRecord } from './journal.ts';
import type { LoadPhase } from './load.ts';
import type { LeafMessage } from './messages.ts';
import { PATIENCE, persist, type Patience } from './persist.ts';
import { Unreachable, type ExecutorClient } from './rpc.ts';
import { leavesOf } from './schema.ts';
import { phaseFailure } from './sentence.ts';
import type { CoordinatorContext, Json, Phase, Plan, PlanEvent, PlanGroup, PlanLeaf, PlanNode } from './types.ts';
import { walk } from './walk.ts';

type Untimed<E> = E extends unknown ? Omit<E, 'at'> : never;
/** An event without its time. */
export type Event = Untimed<PlanEvent>;

export interface CoordinatorOptions {
  plan: Plan;
  files: Pick<OperationFiles, 'log'>;
  /** The executor of a node; asked once for each node. */
  connect(node: NodeSpec): ExecutorClient;
  loadPhase: LoadPhase;
  journal: Journal;
  /** The journal as an earlier coordinator of the operation left it. */
  before: Map<string, JournalRecord>;
  emit(event: Event): void;
  patience?: Patience;
}

/**
 * Carries out a plan: for each leaf asks the node whether it is done, has it done if not, and tells what happens.
 * At the end, however it ended, the executors are asked to finish; the outcome is in the journal before, under the id
 * of the plan's root, so that a coordinator that is started again in between knows that there are none to wait for.
 * @returns whether every leaf succeeded; failures are told as events.
 * @throws what the journal throws, and Failure `unknown-phase` before anything is done.
 */
export async function coordinate(options: CoordinatorOptions): Promise<boolean> {
  const { plan, emit, journal } = options;
  const started = Date.now();
  journal.record({ leaf: plan.root.id, state: 'in progress' });
  const phases = new Map<string, Phase>();
  for (const leaf of leavesOf(plan.root)) {
    if (!phases.has(leaf.phase)) {
      phases.set(leaf.phase, await options.loadPhase(leaf.phase));
    }
  }
  const titled: Plan = { ...plan, root: withTitles(plan.root, phases) as PlanGroup };
  emit({ type: 'plan', plan: titled });

  const clients = new Map(plan.spec.nodes.map((node) => [node.name, options.connect(node)]));
  const team: Team = {
    ...options,
    emit: quieter(emit),
    phases,
    nodes: new Map(plan.spec.nodes.map((n) => [n.name, n])),
    clients,
    asked: new Set(),
    leftRunning: interrupted(plan, options.before),
  };
  const failures: { leaf: PlanLeaf; error: FailureData }[] = [];

  const ok = await walk(titled.root, async (leaf) => {
    const begun = Date.now();
    journal.record({ leaf: leaf.id, state: 'in progress' });
    emit({ type: 'leaf', id: leaf.id, state: 'in progress' });
    try {
      await awaitTurn(team, leaf);
      const did = await carryOut(team, leaf);
      const ms = Date.now() - begun;
      const end = {
        state: did === 'undo' ? ('rolled back' as const) : ('completed' as const),
        ms,
        ...(did === 'skip' ? { skipped: true } : {}),
      };
      journal.record({ leaf: leaf.id, ...end });
      emit({ type: 'leaf', id: leaf.id, ...end });
      return true;
    } catch (thrown) {
      const error = phaseFailure(thrown, leaf.title ?? leaf.phase, leaf.node);
      const ms = Date.now() - begun;
      journal.record({ leaf: leaf.id, state: 'failed', ms, error });
      emit({ type: 'leaf', id: leaf.id, state: 'failed', ms, error });
      failures.push({ leaf, error });
      if (leaf.exclusive !== undefined) {
        team.leftRunning.push(leaf);
      }
      return false;
    }
  });
  const ms = Date.now() - started;
  const error = verdict(options, failures);
  journal.record({
    leaf: plan.root.id,
    state: ok ? 'completed' : 'failed',
    ms,
    ...(error === undefined ? {} : { error }),
  });
  await dismiss(
    [...clients].filter(([name]) => team.asked.has(name)).map(([, client]) => client),
    DISMISS_MS,
  );
  for (const client of clients.values()) {
    client.close();
  }
  emit(endEvent(options, { ok, ms, error }));
  return ok;
}

/** Brings a run to its end whose outcome was journaled and whose coordinator then died. */
export async function conclude(
  options: Pick<CoordinatorOptions, 'plan' | 'files' | 'connect' | 'emit'>,
  outcome: JournalRecord,
): Promise<boolean> {
  const clients = options.plan.spec.nodes.map(options.connect);
  // Most have ended already: nobody is waited for.
  await dismiss(clients, 0);
  for (const client of clients) {
    client.close();
  }
  const ok = outcome.state === 'completed';
  options.emit(endEvent(options, { ok, ms: outcome.ms ?? 0, error: outcome.error }));
  return ok;
}

interface Team extends CoordinatorOptions {
  phases: Map<string, Phase>;
  nodes: Map<string, NodeSpec>;
  clients: Map<string, ExecutorClient>;
  /** Nodes whose executors have been asked for anything. */
  asked: Set<string>;
  /** Leaves with an `exclusive` name that were begun and then lost sight of: they may be at work still. */
  leftRunning: PlanLeaf[];
}

async function carryOut(team: Team, leaf: PlanLeaf): Promise<'skip' | 'do' | 'undo'> {
  const node = team.nodes.get(leaf.node);
  const client = team.clients.get(leaf.node);
  const phase = team.phases.get(leaf.phase);
  if (node === undefined || client === undefined || phase === undefined) {
    throw new Error(`${leaf.id} has no node or phase`);
  }
  const undo = (leaf.verb ?? (team.plan.operation === 'uninstall' ? 'undo' : 'do')) === 'undo';
  const tell = (message: LeafMessage): void => told(team, leaf, message);
  const ask = (verb: 'isDone' | 'do' | 'undo', input: Json): Promise<Json> =>
    client.leaf({ leaf: leaf.id, phase: leaf.phase, verb, input }, tell);
  return patiently(team, leaf, node, async () => {
    if (undo) {
      await ask('undo', null);
      return 'undo';
    }
    const input =
      phase.input === undefined ? (leaf.args ?? null) : await phase.input(coordinatorContext(team, leaf, node));
    if ((await ask('isDone', input)) === true) {
      return 'skip';
    }
    await ask('do', input);
    return 'do';
  });
}

function interrupted(plan: Plan, before: Map<string, JournalRecord>): PlanLeaf[] {
  const begun = (leaf: PlanLeaf): boolean => ['in progress', 'failed'].includes(before.get(leaf.id)?.state ?? '');
  return leavesOf(plan.root).filter((leaf) => leaf.exclusive !== undefined && begun(leaf));
}

/**
 * Walking gives turns among the leaves that this coordinator runs; what an earlier one left running has the turn before
 * them.
 */
async function awaitTurn(team: Team, leaf: PlanLeaf): Promise<void> {
  if (leaf.exclusive === undefined) {
    return;
  }
  for (const other of team.leftRunning.filter((l) => l.exclusive === leaf.exclusive && l.id !== leaf.id)) {
    const node = team.nodes.get(other.node);
    const client = team.clients.get(other.node);
    if (node === undefined || client === undefined) {
      continue;
    }
    const pauseMs = (team.patience ?? PATIENCE).pauseMs;
    while ((await patiently(team, leaf, node, () => client.state())).running.some((r) => r.leaf === other.id)) {
      team.emit({ type: 'waiting', id: leaf.id, for: `its turn after ${other.title ?? other.phase} on ${other.node}` });
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    team.leftRunning = team.leftRunning.filter((l) => l.id !== other.id);
  }
}

function coordinatorContext(team: Team, leaf: PlanLeaf, node: NodeSpec): CoordinatorContext {
  return {
    spec: team.plan.spec,
    node,
    call: async (other, procedure, args) => {
      const client = team.clients.get(other.name);
      if (client === undefined) {
        throw new Error(`${other.name} is no node of the cluster`);
      }
      return patiently(team, leaf, other, () =>
        client.procedure(procedure, args, (message) => told(team, leaf, message)),
      );
    },
  };
}

function patiently<T>(team: Team, leaf: PlanLeaf, node: NodeSpec, work: () => Promise<T>): Promise<T> {
  team.asked.add(node.name);
  const waiting = (reason: string): void =>
    team.emit({ type: 'waiting', id: leaf.id, for: `the executor on ${node.name}`, cause: reason });
  return persist(node, team.plan.spec.ports.executor, team.patience ?? PATIENCE, waiting, work);
}

function told(team: Team, leaf: PlanLeaf, message: LeafMessage): void {
  const id = leaf.id;
  if (message.type === 'log') {
    team.emit({ type: 'log', id, node: leaf.node, line: message.line });
  }
  if (message.type === 'waiting') {
    team.emit({
      type: 'waiting',
      id,
      for: message.for,
      ...(message.cause === undefined ? {} : { cause: message.cause }),
    });
  }
  if (message.type === 'progress') {
    team.emit({ type: 'progress', id, fraction: message.fraction });
  }
}

/** Tells what a leaf waits for only when that has changed. */
function quieter(emit: (event: Event) => void): (event: Event) => void {
  const last = new Map<string, string>();
  return (event) => {
    if (event.type === 'waiting') {
      const text = `${event.for}\n${event.cause ?? ''}`;
      if (last.get(event.id) === text) {
        return;
      }
      last.set(event.id, text);
    }
    emit(event);
  };
}

/** An executor that was killed just now is started again by systemd: it is asked for so long, milliseconds. */
const DISMISS_MS = 10_000;

/**
 * Asks every executor to end. One that cannot be reached in that time ends by itself when nobody asks it for anything.
 */
async function dismiss(clients: ExecutorClient[], patienceMs: number): Promise<void> {
  const until = Date.now() + patienceMs;
  await Promise.all(clients.map((client) => dismissOne(client, until)));
}

async function dismissOne(client: ExecutorClient, until: number): Promise<void> {
  try {
    await client.finish();
  } catch (error) {
    if (!(error instanceof Unreachable) || Date.now() >= until) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
    await dismissOne(client, until);
  }
}

function verdict(
  options: CoordinatorOptions,
  failures: { leaf: PlanLeaf; error: FailureData }[],
): FailureData | undefined {
  const first = failures[0];
  if (first === undefined) {
    return undefined;
  }
  const host = first.error.host ?? first.leaf.node;
  const others = failures.slice(1).map((f) => `${f.leaf.title ?? f.leaf.phase} on ${f.leaf.node}`);
  return {
    ...first.error,
    host,
    message: `${first.error.message}${others.length === 0 ? '' : ` Failed too: ${others.join(', ')}.`}`,
    remedy:
      `${first.error.remedy ?? 'Mend the cause and run the same command again; it goes on from here.'} The file for ` +
      `support is ${options.files.log(host)} on ${host}.`,
  };
}

function endEvent(
  options: Pick<CoordinatorOptions, 'files'>,
  { ok, ms, error }: { ok: boolean; ms: number; error: FailureData | undefined },
): Event {
  if (error === undefined) {
    return { type: 'end', ok, ms };
  }
  const node = error.host ?? '';
  return { type: 'end', ok, ms, error, log: { node, path: options.files.log(node) } };
}

function withTitles(node: PlanNode, phases: Map<string, Phase>): PlanNode {
  if (node.kind === 'group') {
    return { ...node, children: node.children.map((child) => withTitles(child, phases)) };
  }
  return { ...node, title: node.title ?? phases.get(node.phase)?.title ?? node.phase };
}
