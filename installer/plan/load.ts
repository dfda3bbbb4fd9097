import { Failure } from '../../src/errors.ts';
import { moduleNames } from '../../src/modules.ts';
import type { Phase, Procedure } from './types.ts';

export type LoadPhase = (name: string) => Promise<Phase>;
export type LoadProcedure = (name: string) => Promise<Procedure>;

function unknown(kind: string, name: string): Failure {
  return new Failure(`unknown-${kind}`, `This version of terrarium has no ${kind} called '${name}'.`, {
    remedy: 'Run the same version of terrarium on all machines.',
  });
}

/** Loads installer/phases/NAME.ts. @throws Failure `unknown-phase`. */
export async function loadPhase(name: string): Promise<Phase> {
  if (!moduleNames('installer/phases').includes(name)) {
    throw unknown('phase', name);
  }
  const module = (await import(`../phases/${name}.ts`)) as { phase?: Phase };
  if (module.phase === undefined) {
    throw unknown('phase', name);
  }
  return module.phase;
}

/** Loads installer/phases/procedures/NAME.ts. @throws Failure `unknown-procedure`. */
export async function loadProcedure(name: string): Promise<Procedure> {
  if (!moduleNames('installer/phases').includes(`procedures/${name}`)) {
    throw unknown('procedure', name);
  }
  const module = (await import(`../phases/procedures/${name}.ts`)) as { procedure?: Procedure };
  if (module.procedure === undefined) {
    throw unknown('procedure', name);
  }
  return module.procedure;
}
