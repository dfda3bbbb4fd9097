import { NODE_KEY } from '../store/satellite-states.ts';
import type { CloudContext } from './context.ts';
import { one } from './state/read.ts';

/**
 * A node's satellite has its certificate from the install and is not in the state until something is to be said of it.
 * Does nothing for any other, and for one that is there.
 */
export async function registerNode(
  cloud: Pick<CloudContext, 'state' | 'enrolment'>,
  id: string,
  actor: string,
): Promise<void> {
  const replica = cloud.state.replica();
  if (
    !cloud.enrolment.nodes().includes(id) ||
    one(replica.db, 'SELECT 1 FROM satellites WHERE id = ?', id) !== undefined
  ) {
    return;
  }
  await replica.propose({
    kind: 'satellite.enrol',
    actor,
    args: { id, name: id, tags: {}, access: 'both', busKey: NODE_KEY, httpsKey: '', details: {} },
  });
}
