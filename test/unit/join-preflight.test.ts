import t from 'tap';
import { clusterPorts, hostTargets } from '../../installer/cluster/spec.ts';
import { contextOf } from '../../installer/preflight/run.ts';
import { joiningFile } from '../../src/cli/join-preflight.ts';
import { testSpec } from '../fixtures/spec.ts';

for (const family of [4, 6] as const) {
  t.test(`a joining machine is checked for the cluster that it joins, IPv${family}`, async (t) => {
    const base = testSpec(1, family, 2);
    const spec = {
      ...base,
      ports: { ...base.ports, kubelet: 20250 },
      prefix: '/srv/t',
      data: '/srv/d',
      overrides: [{ check: 'memory', reason: 'small machines' }],
    };
    const node = spec.nodes[2];
    if (node === undefined) {
      throw new Error('no node');
    }
    const file = joiningFile(spec, node, [{ check: 'swap', reason: 'needed here' }]);
    const targets = hostTargets(file, { user: 'root', port: 22, key: undefined }, 'machines');
    t.same(targets, [{ ...node, ssh: undefined }], 'itself alone, without ssh, in its own role');
    t.match(contextOf(file, targets), {
      ports: { kubelet: 20250, api: 6443 },
      prefix: '/srv/t',
      data: '/srv/d',
      serviceRange: spec.serviceRange,
      family,
      file: { name: spec.name },
    });
    t.same(clusterPorts(file), spec.ports);
    t.same(
      file.preflight?.overrides?.map((o) => o.check),
      ['swap', 'memory'],
    );
  });
}
