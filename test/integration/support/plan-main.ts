import { runCoordinator, runExecutor } from '../../../installer/plan/roles.ts';
import { PLAN_FAILED } from '../../../installer/plan/units.ts';
import { loadPhase, loadProcedure } from './plan-phases.ts';

/**
 * An executor or a coordinator as the product runs it, with the test's phases: `executor ID FILE`, `coordinator ID
 * DATA`.
 */
const [role = '', operation = '', where = ''] = process.argv.slice(2);
const abort = new AbortController();
process.on('SIGTERM', () => abort.abort());
const patience = { goneMs: Number(process.env['GONE_MS'] ?? 20_000), losses: 10, pauseMs: 100 };
const run =
  role === 'executor'
    ? runExecutor({ operation, configFile: where, loadPhase, loadProcedure, signal: abort.signal }).then(() => 0)
    : runCoordinator({ operation, data: where, loadPhase, patience }).then((ok) => (ok ? 0 : PLAN_FAILED));
void run.then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
