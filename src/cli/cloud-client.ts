import type { CloudClient } from '../context/client.ts';
import type { Io } from './command.ts';

/**
 * The cloud's API by a context of the user's; the current one where none is named. Loaded here, so that other commands
 * do not wait for it. @throws Failure without a context
 */
export async function cloudClient(io: Io, context: string | undefined): Promise<CloudClient> {
  const { createCloudClient } = await import('../context/client.ts');
  const { loadContext } = await import('../context/context.ts');
  return createCloudClient(loadContext(io.env, context));
}
