import { z } from 'zod';
import { Failure } from '../../errors.ts';
import { MAX_DEPTH, encodeEntry, isShallow, type Command } from '../entry.ts';
import type { Draft } from '../replica.ts';
import { ulid } from '../ulid.ts';
import type { CoreOptions } from './options.ts';

type PrepareOptions = Pick<CoreOptions, 'self' | 'kinds' | 'timing' | 'random'>;

/**
 * Checks a draft and fixes its values: time, id, arguments.
 * @param active the schema that is active on this instance
 * @throws Failure `store-invalid`, `store-too-large`, `store-unavailable`, `store-not-active`
 */
export function prepareDraft(
  draft: Draft,
  active: number,
  options: PrepareOptions,
): { command: Command; bytes: Uint8Array } {
  const kind = options.kinds.get(draft.kind);
  if (kind === undefined) {
    throw new Failure('store-invalid', `There is no change of the kind ${draft.kind}.`);
  }
  refuseInactive(draft.kind, kind.since, active, options.self);
  if (!isShallow(draft.args, MAX_DEPTH)) {
    throw new Failure(
      'store-invalid',
      `The change ${draft.kind} is not valid: it is nested more than ${MAX_DEPTH} levels deep.`,
    );
  }
  const args = kind.args.safeParse(draft.args);
  if (!args.success) {
    throw new Failure('store-invalid', `The change ${draft.kind} is not valid: ${z.prettifyError(args.error)}.`);
  }
  const at = options.timing.wall();
  const command: Command = {
    v: 1,
    kind: draft.kind,
    id: draft.id ?? ulid(at, options.random(10)),
    at,
    actor: draft.actor,
    ...(draft.expect === undefined ? {} : { expect: draft.expect }),
    args: args.data,
  };
  return { command, bytes: encodeEntry(command) };
}

/** An instance of an older release would stop at a kind that it does not know. @throws Failure */
function refuseInactive(kind: string, since: number, active: number, self: string): void {
  if (active === 0 && since > 0) {
    throw new Failure('store-unavailable', 'This control plane has not got the state of the cloud yet.', {
      host: self,
      remedy: 'Ask another control plane, or try again in a moment.',
    });
  }
  if (active < since) {
    throw new Failure('store-not-active', `The change ${kind} is possible once all control planes run this release.`, {
      host: self,
      remedy: 'Try again when the upgrade is complete.',
    });
  }
}
