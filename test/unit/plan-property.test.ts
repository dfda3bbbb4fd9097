import fc from 'fast-check';
import t from 'tap';
import type { Plan, PlanGroup, PlanNode } from '../../installer/plan/types.ts';
import { NODES, simulate, type Leaf } from './support/plan-simulation.ts';

/** A random plan, as it is made of leaves and groups. */
type Shape = Leaf | { order: 'serial' | 'parallel'; atOnce: number | undefined; children: Shape[] };

const { tree } = fc.letrec<{ tree: Shape; leaf: Shape; group: Shape }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3, withCrossShrink: true }, tie('leaf'), tie('group')),
  leaf: fc.record({
    node: fc.constantFrom(...NODES),
    exclusive: fc.boolean(),
    fails: fc.boolean(),
    check: fc.nat(12),
    work: fc.nat(12),
  }),
  group: fc.record({
    order: fc.constantFrom('serial' as const, 'parallel' as const),
    atOnce: fc.constantFrom(undefined, 1, 2),
    children: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }),
  }),
}));
const crashes = fc.array(
  fc.record({
    after: fc.nat(12),
    kind: fc.constantFrom('executor' as const, 'coordinator' as const, 'connection' as const),
    node: fc.constantFrom(...NODES),
  }),
  { maxLength: 6 },
);

function toPlan(shape: Shape[]): { plan: Plan; shapes: Map<string, Leaf> } {
  let count = 0;
  const shapes = new Map<string, Leaf>();
  const build = (s: Shape): PlanNode => {
    const id = `s${(count += 1)}`;
    if ('node' in s) {
      shapes.set(id, s);
      return { kind: 'leaf', id, phase: 'p', node: s.node, ...(s.exclusive ? { exclusive: 'x' } : {}) };
    }
    return {
      kind: 'group',
      id,
      title: id,
      order: s.order,
      ...(s.atOnce === undefined ? {} : { atOnce: s.atOnce }),
      children: s.children.map(build),
    };
  };
  const root: PlanGroup = { kind: 'group', id: 'root', title: 'root', order: 'serial', children: shape.map(build) };
  const nodes = NODES.map((name, i) => ({ name, address: `127.0.0.${i + 1}`, role: 'worker' as const }));
  const spec = {
    id: 'c',
    name: 'c',
    nodes,
    family: 4,
    serviceRange: '',
    ports: {},
    prefix: '/',
    data: '/',
    consoleName: undefined,
    overrides: [],
  } as unknown as Plan['spec'];
  return { plan: { id: 'install-1', operation: 'install', spec, root }, shapes };
}

t.test('whatever crashes whenever: all gets done once, in order, exclusive leaves one at a time', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(tree, { minLength: 1, maxLength: 4 }), crashes, async (shape, script) => {
      const { plan, shapes } = toPlan(shape);
      await simulate(plan, shapes, script);
    }),
    { numRuns: 500 },
  );
  t.pass('500 random plans');
});
