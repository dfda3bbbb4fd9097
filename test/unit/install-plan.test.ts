import t from 'tap';
import { installPlan } from '../../installer/operations/install.ts';
import { leavesOf, parsePlan } from '../../installer/plan/schema.ts';
import { moduleNames } from '../../src/modules.ts';
import { testSpec } from '../fixtures/spec.ts';

for (const [planes, workers] of [
  [1, 0],
  [3, 0],
  [3, 1],
  [5, 0],
  [1, 2],
] as const) {
  t.test(`${planes} control planes and ${workers} workers`, async (t) => {
    const plan = installPlan(testSpec(planes, 4, workers));
    parsePlan(JSON.parse(JSON.stringify(plan)));
    const leaves = leavesOf(plan.root);
    const phases = moduleNames('installer/phases');
    for (const leaf of leaves) {
      t.ok(phases.includes(leaf.phase), `${leaf.phase} is a phase`);
    }
    t.equal(leaves.filter((l) => l.phase === 'etcd-join').length, planes - 1, 'every further control plane joins etcd');
    t.ok(
      leaves.filter((l) => l.phase === 'etcd-join').every((l) => l.exclusive !== undefined),
      'in turns',
    );
    t.equal(leaves.filter((l) => l.phase === 'kubelet').length, planes + workers);
    const ready = leaves.findIndex((l) => l.phase === 'stack-ready');
    t.same(
      leaves.slice(ready + 1).map((l) => [l.phase, l.node]),
      plan.spec.nodes.map((n) => ['complete', n.name]),
      'every node is noted as complete, at the very end',
    );
  });
}

t.test('the same cluster gives the same operation', async (t) => {
  t.equal(installPlan(testSpec(3)).id, installPlan(testSpec(3)).id);
  t.not(installPlan(testSpec(3)).id, installPlan(testSpec(5)).id);
});
