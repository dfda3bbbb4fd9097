import t from 'tap';
import type { NodeSpec } from '../../installer/cluster/spec.ts';
import { joinOperation, joinPlan, withNode } from '../../installer/operations/join.ts';
import { leavesOf, parsePlan } from '../../installer/plan/schema.ts';
import { moduleNames } from '../../src/modules.ts';
import { testSpec } from '../fixtures/spec.ts';

const known = testSpec(3);
const [first, second] = known.nodes as [NodeSpec, NodeSpec, NodeSpec];

for (const role of ['control-plane', 'worker'] as const) {
  t.test(`the plan of a ${role} that joins`, async (t) => {
    const node: NodeSpec = { name: 'n9', address: '10.77.0.19', role };
    const plan = parsePlan(JSON.parse(JSON.stringify(joinPlan(withNode(known, second, node), second, node))));
    const leaves = leavesOf(plan.root);
    const phases = moduleNames('installer/phases');
    for (const leaf of leaves) {
      t.ok(phases.includes(leaf.phase), `${leaf.phase} is a phase`);
    }
    t.match(
      leaves.find((l) => l.phase === 'node-ready'),
      { node: 'n2', args: { node: 'n9' } },
      'the coordinator waits for the node by its name, which survives the way over disk',
    );
    t.notOk(
      leaves.some((l) => l.phase === 'stack-ready'),
      'and not for everybody',
    );
    t.same([...new Set(leaves.map((l) => l.node))].sort(), ['n2', 'n9'], 'no third machine has anything to do');
    t.match(leaves.at(-1), { phase: 'complete', node: 'n9' });
  });
}

t.test('a join is the same operation by whichever control plane', async (t) => {
  const node: NodeSpec = { name: 'n9', address: '10.77.0.19', role: 'worker' };
  const one = joinPlan(withNode(known, first, node), first, node);
  const other = joinPlan(withNode(known, second, node), second, node);
  const grown = { ...known, nodes: [...known.nodes, { name: 'n8', address: '10.77.0.18', role: 'worker' as const }] };
  t.equal(one.id, other.id);
  t.equal(joinPlan(withNode(grown, first, node), first, node).id, one.id, 'also when the cluster has grown meanwhile');
  t.equal(joinOperation(known.id, { role: 'worker', address: '10.77.0.19', name: 'n9' }), one.id);
  t.not(joinOperation('another', node), one.id);
  t.not(joinOperation(known.id, { ...node, name: 'n8' }), one.id);
});
