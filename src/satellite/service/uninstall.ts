import { rmSync } from 'node:fs';
import { removeTrees } from '../../../installer/node/remove.ts';
import { readEnrolment } from '../enrol/record.ts';
import { SERVICE_UNIT, servicePaths } from './paths.ts';
import type { ServiceManager } from './systemd.ts';
import { removeUser } from './user.ts';

/**
 * Takes away all that `installService` has made, its key included; nothing to do where nothing is left. In this order
 * an interruption leaves nothing that runs, and the same again removes the rest.
 * @returns the id that the machine had; undefined where it had none (any more).
 */
export async function uninstallService({
  root,
  manager,
  log,
}: {
  root: string;
  manager: ServiceManager;
  log(line: string): void;
}): Promise<string | undefined> {
  const paths = servicePaths(root);
  const id = knownId(paths.data);
  await manager.remove(SERVICE_UNIT);
  rmSync(paths.unit, { force: true });
  removeTrees([paths.prefix, paths.data], log);
  await removeUser(root);
  return id;
}

function knownId(data: string): string | undefined {
  try {
    return readEnrolment(data)?.id;
  } catch {
    // A damaged file is removed with the others.
    return undefined;
  }
}
