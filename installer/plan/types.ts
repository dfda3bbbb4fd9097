import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';

/**
 * The engine's vocabulary. An operation is a tree of steps; a leaf is one *phase* on one *node*.
 * The coordinator (a transient systemd unit on one node) walks the tree; every leaf is carried out by the executor of
 * its node, which the coordinator reaches by HTTPS with both sides' certificates from the cluster's own CA.
 */

/** JSON that may cross the wire between coordinator and executor. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type LeafState = 'not started' | 'in progress' | 'completed' | 'failed' | 'rolled back';

/**
 * What a phase may use on its node. Side effects go through `node:fs`, execa and the like: a phase runs where its node
 * is.
 */
export interface PhaseContext {
  spec: ClusterSpec;
  node: NodeSpec;
  /** Aborted when the operation is cancelled. */
  signal: AbortSignal;
  /** A line for the host's log file (never a secret). */
  log(line: string): void;
  /** What the phase waits for now and why it is not there yet; shown live. */
  waiting(forWhat: string, lastCause?: string): void;
  /** 0..1, where it can be known. */
  progress(fraction: number): void;
}

/** What a phase may use on the coordinator, before it is sent to its node. */
export interface CoordinatorContext {
  spec: ClusterSpec;
  node: NodeSpec;
  /** Runs a procedure (a file of installer/phases/procedures/) on a node and returns its answer. */
  call(node: NodeSpec, procedure: string, args: Json): Promise<Json>;
}

/**
 * One file of installer/phases/ each, found by its name. All three verbs are idempotent and survive a kill -9 anywhere:
 * `do` after a half-done `do` completes it.
 */
export interface Phase<Input extends Json = Json> {
  /** Shown to the administrator, in the words of somebody who does not know Kubernetes. */
  title: string;
  /**
   * Runs on the coordinator; what it returns is handed to `isDone` and `do`. Secrets in it are never logged or
   * journaled.
   */
  input?(context: CoordinatorContext): Promise<Input>;
  /** Looks at the machine, never at the journal. */
  isDone(context: PhaseContext, input: Input): Promise<boolean>;
  do(context: PhaseContext, input: Input): Promise<void>;
  /** Puts the machine back; must work when `do` never ran or died half-way, and with the API down. */
  undo(context: PhaseContext): Promise<void>;
}

/**
 * A procedure: something the coordinator asks of a node, without journal (reading a token, taking an etcd snapshot).
 */
export interface Procedure {
  run(context: PhaseContext, args: Json): Promise<Json>;
}

/** The shape of an operation: groups of leaves. Children of a `serial` group run one after the other. */
export type PlanNode = PlanGroup | PlanLeaf;

export interface PlanGroup {
  kind: 'group';
  id: string;
  title: string;
  order: 'serial' | 'parallel';
  /** At most so many children at once, where `parallel`. */
  atOnce?: number;
  children: PlanNode[];
}

export interface PlanLeaf {
  kind: 'leaf';
  /** `join/n2/etcd-join`: unique in the plan, stable over restarts; it is the key of the journal. */
  id: string;
  /** File name below installer/phases/. */
  phase: string;
  node: string;
  /** Leaves sharing a name never run at the same time, wherever they stand in the tree (etcd membership). */
  exclusive?: string;
  /** What the plan itself hands to the phase, where the phase has no `input` of its own. */
  args?: Json;
  /**
   * What is asked of the phase: default `do`, in an uninstall `undo`. `undo` is neither asked `isDone` nor given an
   * input.
   */
  verb?: 'do' | 'undo';
  /** The phase's title; the coordinator fills it in, so that whoever shows the plan needs no phases. */
  title?: string;
}

export interface Plan {
  /** The operation's id: `install-<8 hex of the spec>`, so that the same command finds its own operation again. */
  id: string;
  operation: 'install' | 'join' | 'uninstall';
  spec: ClusterSpec;
  root: PlanGroup;
}

/**
 * What the coordinator tells: one JSON object a line in events.jsonl; shown by every Reporter; `--json` prints them as
 * they are.
 */
export type PlanEvent = { at: string } & (
  | { type: 'plan'; plan: Plan }
  | {
      type: 'leaf';
      id: string;
      state: LeafState;
      ms?: number;
      skipped?: boolean;
      error?: { code: string; message: string; host?: string; remedy?: string };
    }
  | { type: 'waiting'; id: string; for: string; cause?: string }
  | { type: 'progress'; id: string; fraction: number }
  | { type: 'log'; id: string; node: string; line: string }
  | {
      type: 'end';
      ok: boolean;
      ms: number;
      error?: { code: string; message: string; host?: string; remedy?: string };
      /** The log to send to support: a file of that node. */
      log?: { node: string; path: string };
    }
);
