import type { FailureData } from '../../src/errors.ts';
import type { Json, LeafState } from './types.ts';

/**
 * What an executor answers to POST /v1/leaf and /v1/procedure: one JSON object a line; the last is `result` or `error`.
 */
export type LeafMessage =
  | { type: 'log'; line: string }
  | { type: 'waiting'; for: string; cause?: string }
  | { type: 'progress'; fraction: number }
  /** Every second, so that a dead machine is told from a long step. */
  | { type: 'alive' }
  | { type: 'result'; value: Json }
  | { type: 'error'; error: FailureData };

/** Answer to GET /v1/state. */
export interface ExecutorState {
  operation: string;
  node: string;
  version: string;
  running: { leaf: string; verb: string }[];
  /** From the journal. */
  leaves: Record<string, LeafState>;
}

export const ALIVE_MS = 1000;
/** The group in the certificate of every node of the cluster; the control planes among them may coordinate. */
export const NODE_GROUP = 'terrarium:node';
/** Bytes that a request's body may have. */
export const MAX_BODY = 16 * 1024 * 1024;
