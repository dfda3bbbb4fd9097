import { randomBytes } from 'node:crypto';
import type { CoreOptions } from '../../../src/store/core/options.ts';
import { fileStorage } from '../../../src/store/file-storage.ts';
import { loadKinds, loadSchema } from '../../../src/store/kind.ts';
import type { Storage } from '../../../src/store/storage.ts';
import { realTiming } from '../../../src/store/timing.ts';
import { ROOMY } from '../../support/store-temp.ts';

const kinds = await loadKinds();
export const schema = await loadSchema();

/** Options for a core in this folder. */
export function coreOptions(
  dir: string,
  storage: Storage = fileStorage(dir, 'FULL'),
  more: Partial<CoreOptions> = {},
): CoreOptions {
  return {
    self: 'n1',
    kinds,
    schema,
    storage,
    timing: realTiming,
    random: randomBytes,
    log: () => undefined,
    space: () => ROOMY,
    ...more,
  };
}
