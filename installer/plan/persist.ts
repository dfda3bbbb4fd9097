import { Failure } from '../../src/errors.ts';
import { hostPort } from '../../src/host-port.ts';
import type { NodeSpec } from '../cluster/spec.ts';
import { Unreachable } from './rpc.ts';

/** How patient the coordinator is with executors that are gone. */
export interface Patience {
  /** So long may an executor not be reached, milliseconds. */
  goneMs: number;
  /** So often may it be lost while at work on one leaf. */
  losses: number;
  /** Between two attempts, milliseconds. */
  pauseMs: number;
}

export const PATIENCE: Patience = { goneMs: 90_000, losses: 10, pauseMs: 500 };

/**
 * Calls `work` until it does not end with Unreachable. `work` is repeated from its beginning and must be idempotent.
 * @param waiting told what is waited for, and with undefined that it is over
 * @throws Failure `executor-unreachable` or `executor-dies`, naming the machine, when patience ends; anything else that
 *   `work` throws.
 */
export async function persist<T>(
  node: NodeSpec,
  port: number,
  patience: Patience,
  waiting: (reason: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  let goneSince: number | undefined;
  let losses = 0;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unreachable)) {
        throw error;
      }
      if (error.connected) {
        goneSince = undefined;
        losses += 1;
      }
      goneSince ??= Date.now();
      if (losses > patience.losses) {
        throw dies(node, losses);
      }
      if (Date.now() - goneSince >= patience.goneMs) {
        throw gone(node, port, patience, error.message);
      }
      waiting(error.message);
      await new Promise((resolve) => setTimeout(resolve, patience.pauseMs));
    }
  }
}

function gone(node: NodeSpec, port: number, patience: Patience, reason: string): Failure {
  return new Failure(
    'executor-unreachable',
    `The executor on ${node.name} (${hostPort(node.address, port)}) has not been reached for ` +
      `${Math.round(patience.goneMs / 1000)} s: ${reason}.`,
    {
      host: node.name,
      remedy: `Check that ${node.name} runs and that TCP port ${port} is open to it, then run the same command again.`,
    },
  );
}

function dies(node: NodeSpec, losses: number): Failure {
  return new Failure('executor-dies', `The executor on ${node.name} was lost ${losses} times during one step.`, {
    host: node.name,
    remedy: `See \`journalctl -u terrarium-executor\` on ${node.name} for the reason, then run the same command again.`,
  });
}
