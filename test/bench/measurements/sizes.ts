import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { coreSize } from '../../../src/payload/open.ts';
import { TERRARIUM } from '../../e2e/support/terrarium.ts';
import { table, type Measurement } from '../measurement.ts';

/** What is downloaded, carried around and copied to each machine. */
export const measurement: Measurement = {
  title: 'Sizes of the artefacts',
  needsLab: false,
  async run() {
    const dist = dirname(TERRARIUM);
    const core = coreSize(TERRARIUM);
    const sizes: Record<string, number> = {
      terrarium: statSync(TERRARIUM).size,
      'of it the program itself': core,
      'of it third-party programs, images, console': statSync(TERRARIUM).size - core,
    };
    for (const name of readdirSync(dist).filter((n) => n.endsWith('.bundle'))) {
      sizes[name] = statSync(join(dist, name)).size;
    }
    const rows = Object.entries(sizes).map(([name, size]) => [name, size, (size / 1024 ** 2).toFixed(1)]);
    return { data: sizes, markdown: table(['file', 'bytes', 'MiB'], rows) };
  },
};
