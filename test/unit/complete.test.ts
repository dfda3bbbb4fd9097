import t from 'tap';
import { readIdentity, writeIdentity } from '../../installer/node/identity.ts';
import { phase } from '../../installer/phases/complete.ts';
import type { PhaseContext } from '../../installer/plan/types.ts';
import { testSpec } from '../fixtures/spec.ts';

t.test('a node is complete once node.json says so', async (t) => {
  const spec = { ...testSpec(1), data: t.testdir() };
  const [node] = spec.nodes;
  if (node === undefined) {
    throw new Error('no node');
  }
  const context: PhaseContext = {
    spec,
    node,
    signal: new AbortController().signal,
    log: () => undefined,
    waiting: () => undefined,
    progress: () => undefined,
  };
  t.equal(await phase.isDone(context, null), false, 'nothing is there');
  writeIdentity(spec, node, 'installing');
  t.equal(await phase.isDone(context, null), false);
  await phase.do(context, null);
  t.equal(readIdentity(spec.data)?.state, 'installed');
  t.equal(await phase.isDone(context, null), true);
  t.equal(await phase.isDone({ ...context, spec: { ...spec, id: 'another' } }, null), false, 'of another cluster');
});
