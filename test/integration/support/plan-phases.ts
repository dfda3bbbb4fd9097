import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json, Phase, PhaseContext, Procedure } from '../../../installer/plan/types.ts';
import { Failure } from '../../../src/errors.ts';

/**
 * Phases that leave marks in the node's data directory: `slow-NAME` takes 600 ms in three steps (`slow-long` three
 * seconds) and cannot tell that it is done before its last, `held-NAME` goes from step to step until the file
 * `released` is there, `quick-NAME` takes none, `fails-NAME` fails until the file `mended` is there. Each also writes a
 * trace, one for its node and one for all nodes together.
 */
export function trace(context: PhaseContext, what: string): void {
  appendFileSync(commonTrace(context), `${what} ${context.node.name}\n`);
  appendFileSync(join(context.spec.data, 'trace'), `${what}\n`);
}

function commonTrace(context: PhaseContext): string {
  return join(context.spec.data, '../trace');
}

/** Whether the trace has the phase's end. A kill may come between the end in the trace and its mark. */
function hasEnded(context: PhaseContext, name: string): boolean {
  const lines = existsSync(commonTrace(context)) ? readFileSync(commonTrace(context), 'utf8').split('\n') : [];
  const node = context.node.name;
  return lines.lastIndexOf(`end ${name} ${node}`) > lines.lastIndexOf(`undo ${name} ${node}`);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function loadPhase(name: string): Promise<Phase> {
  const mark = (context: PhaseContext): string => join(context.spec.data, `done-${name}`);
  return {
    title: `Test ${name}`,
    input: async (context) => ({ greeting: await context.call(context.node, 'greet', { name }) }),
    isDone: async (context) => existsSync(mark(context)) || hasEnded(context, name),
    do: async (context, input: Json) => {
      trace(context, `start ${name}`);
      context.log(`input ${JSON.stringify(input)}`);
      if (name.startsWith('fails-') && !existsSync(join(context.spec.data, 'mended'))) {
        throw new Failure('test-failure', `The thing of ${name} is broken.`, { remedy: 'Mend it.' });
      }
      if (name.startsWith('crashes-')) {
        throw new TypeError('cannot read properties of undefined');
      }
      for (let step = 1; name.startsWith('held-') && !existsSync(join(context.spec.data, 'released')); step += 1) {
        context.waiting(`step ${step} of ${name}`, 'not there yet');
        await sleep(200);
      }
      if (name.startsWith('slow-')) {
        for (const step of [1, 2, 3]) {
          context.waiting(`step ${step} of ${name}`, 'not there yet');
          context.progress(step / 3);
          await sleep(name === 'slow-long' ? 1_000 : 200);
        }
      }
      trace(context, `end ${name}`);
      writeFileSync(mark(context), '');
    },
    undo: async (context) => {
      trace(context, `undo ${name}`);
      rmSync(mark(context), { force: true });
    },
  };
}

export async function loadProcedure(name: string): Promise<Procedure> {
  if (name !== 'greet') {
    throw new Failure('unknown-procedure', `no ${name}`);
  }
  return {
    run: async (context, args) => `hello ${(args as { name: string }).name} from ${context.node.name}`,
  };
}
