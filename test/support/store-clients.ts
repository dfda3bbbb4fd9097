import type { Draft } from '../../src/store/replica.ts';
import { ulid } from '../../src/store/ulid.ts';
import type { History } from './store-history.ts';

/** Some client: repeats by id, wherever it finds an instance, until there is an answer. */
export function submit(history: History, draft: Draft & { id: string }): void {
  const { world, nodes, report, log, acknowledged, pick } = history;
  history.drafts.set(draft.id, draft);
  history.working += 1;
  report.commands += 1;
  const attempt = (): void => {
    const able = nodes.filter((n) => n.replica !== undefined && n.life?.alive === true);
    const node = able[pick(able.length)];
    if (node?.replica === undefined) {
      return world.at(300, attempt);
    }
    const life = node.life;
    let over = false;
    const again = (error: unknown): void => {
      if (over) {
        return;
      }
      over = true;
      // The older release does not know the kind; its client gives up.
      if (
        draft.kind === 'query.stamp' &&
        ['store-invalid', 'store-not-active'].includes((error as { code?: string }).code ?? '')
      ) {
        history.working -= 1;
        return;
      }
      if (history.settling) {
        log.push(`${draft.id} ${draft.kind} is tried again: ${String(error)}`);
      }
      world.at(100 + world.random() * 300, attempt);
    };
    node.replica.propose(draft).then((outcome) => {
      // A client also repeats what was answered, when the answer was lost.
      if (over) {
        return;
      }
      over = true;
      if (life?.alive !== true) {
        return world.at(100, attempt);
      }
      const before = acknowledged.get(draft.id);
      if (before !== undefined && JSON.stringify(before) !== JSON.stringify(outcome)) {
        report.failures.push(`${draft.id} was answered ${JSON.stringify(before)} and ${JSON.stringify(outcome)}`);
      }
      acknowledged.set(draft.id, outcome);
      if (world.random() < 0.1) {
        return world.at(100, attempt);
      }
      history.working -= 1;
    }, again);
    world.at(20_000, () => again('no answer'));
  };
  attempt();
}

/** The position of some command that was answered, as a version that a client may hold. */
function someVersion({ acknowledged, pick }: History): number {
  return acknowledged.size === 0 ? 0 : ([...acknowledged.values()][pick(acknowledged.size)]?.position ?? 0);
}

/** A random command of a client. */
export function someDraft(history: History): Draft & { id: string } {
  const { world, pick } = history;
  const random = world.random;
  const id = ulid(
    world.now(),
    Uint8Array.from({ length: 10 }, () => pick(256)),
  );
  const key = `k${pick(5)}`;
  const expect =
    random() < 0.3 ? { resource: `query/${key}`, version: random() < 0.3 ? 0 : someVersion(history) } : undefined;
  const more = { id, actor: 'client', ...(expect === undefined ? {} : { expect }) };
  const kind = random();
  if (history.upgrades && random() < 0.2) {
    return { ...more, kind: 'query.stamp', args: { id: key, stamp: `s${pick(100)}` } };
  }
  if (kind < 0.6) {
    return {
      ...more,
      kind: 'query.put',
      args: { id: key, owner: 'eva', name: `n${pick(100)}`, sql: 'select 1', details: {} },
    };
  }
  if (kind < 0.75) {
    return { ...more, kind: 'query.delete', args: { id: key } };
  }
  if (kind < 0.9) {
    return {
      id,
      actor: 'client',
      kind: 'user.create',
      args: { name: `u${pick(6)}`, role: 'admin', passwordHash: 'h', mustChangePassword: false },
    };
  }
  return { id, actor: 'client', kind: 'user.delete', args: { name: `u${pick(6)}` } };
}
