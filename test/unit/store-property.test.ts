import t from 'tap';
import { defineCommand, loadKinds, loadSchema, type CommandKind, type Kinds } from '../../src/store/kind.ts';
import type { HistoryOptions } from '../support/store-history.ts';
import { neighbours } from '../support/store-releases.ts';
import { runHistory } from '../support/store-simulation.ts';

const HISTORIES = Number(process.env['TERRARIUM_HISTORIES'] ?? 60);
const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);
const kinds = await loadKinds();
const releases = neighbours(kinds, await loadSchema());

const options = (n: number, more: Partial<HistoryOptions> = {}): HistoryOptions => ({
  seed: SEED + n,
  instances: (SEED + n) % 3 === 0 ? 5 : 3,
  releases,
  ...more,
});

t.test(
  'whatever crashes whenever: nothing acknowledged is lost or done twice, and all instances are what the model says',
  async (t) => {
    const total = { commands: 0, crashes: 0, reseeds: 0, epochs: 0, stamps: 0 };
    for (let n = 0; n < HISTORIES; n += 1) {
      const report = await runHistory(options(n));
      if (report.failures.length > 0) {
        t.fail(
          `TERRARIUM_SEED=${SEED + n} TERRARIUM_HISTORIES=1, ${options(n).instances} instances\n` +
            `${report.failures.join('\n')}`,
        );
        return;
      }
      total.commands += report.commands;
      total.crashes += report.crashes;
      total.reseeds += report.reseeds;
      total.epochs += report.epochs;
      total.stamps += report.stamps;
    }
    t.pass(`${HISTORIES} histories`);
    t.comment(`seed ${SEED}: ${HISTORIES} histories, ${JSON.stringify(total)}`);
  },
);

function replaced(
  all: Kinds,
  name: string,
  apply: (real: CommandKind<unknown>['apply']) => CommandKind<unknown>['apply'],
): Kinds {
  const real = all.get(name) as CommandKind<unknown>;
  return new Map([...all, [name, defineCommand({ ...real, apply: apply(real.apply) })]]);
}

/** @returns whether one of the histories fails. */
async function found(tamper: NonNullable<HistoryOptions['tamper']>): Promise<boolean> {
  for (let n = 0; n < 20; n += 1) {
    if ((await runHistory(options(n, { tamper }))).failures.length > 0) {
      return true;
    }
  }
  return false;
}

t.test('bugs planted in apply are found', async (t) => {
  let calls = 0;
  t.ok(
    await found((_, all) =>
      replaced(all, 'query.put', (apply) => (tx, command) => {
        calls += 1;
        const done = apply(tx, command);
        if (calls % 11 === 0) {
          tx.run(
            'UPDATE saved_queries SET updated_at = updated_at + 1 WHERE id = ?',
            (command.args as { id: string }).id,
          );
        }
        return done;
      }),
    ),
    'one that depends on what the process did before',
  );
  t.ok(
    await found((_, all) =>
      replaced(all, 'query.delete', (apply) => (tx, command) => {
        const done = apply(tx, command);
        tx.run("DELETE FROM saved_queries WHERE name LIKE 'n1%'");
        return done;
      }),
    ),
    'one that is the same everywhere, and wrong',
  );
  t.ok(
    await found((name, all) => (name === 'n2' ? replaced(all, 'user.create', () => () => ({ changes: [] })) : all)),
    'one of a single release',
  );
});
