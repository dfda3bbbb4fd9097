import { moduleNames } from '../../src/modules.ts';
import type { Check } from './check.ts';

/** Every check, in the order of their codes: each is a file of `checks/`. */
export async function allChecks(): Promise<Check[]> {
  return await Promise.all(
    moduleNames('installer/preflight/checks').map(
      async (name) => ((await import(`./checks/${name}.ts`)) as { check: Check }).check,
    ),
  );
}
