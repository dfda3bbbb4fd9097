import t from 'tap';
import { bootLab } from './support/lab.ts';
import { checkCluster } from './support/cluster.ts';
import { installAndKill, seeded, type Kill } from './support/kills.ts';

const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);

t.test('an install that is killed three times is completed by the same command', async (t) => {
  t.comment(`TERRARIUM_SEED=${SEED}`);
  const lab = await bootLab('--nodes', '3');
  t.teardown(() => lab.down());
  const [a = '', b = ''] = lab.machines.map((m) => m.name);
  const random = seeded(SEED);
  const kills: Kill[] = [
    { at: `prepare/${b}/images`, afterMs: random() * 2000, what: 'cli', machine: a },
    { at: `bootstrap/${a}/control-plane`, afterMs: random() * 4000, what: 'coordinator', machine: a },
    { at: `join/${b}/etcd-join`, afterMs: random() * 3000, what: 'power', machine: b },
  ];
  for (const kill of kills) {
    const { ended, struck } = await installAndKill(lab, kill);
    t.ok(struck, `${kill.what} on ${kill.machine} was killed ${Math.round(kill.afterMs)} ms into ${kill.at}; the command ended with ${ended.exitCode}`);
  }
  const last = await lab.admin(['install', '-f', lab.clusterFile]);
  t.equal(last.exitCode, 0, `${last.stderr}\n${last.stdout.slice(-2000)}`);
  await checkCluster(t, lab);
  const members = await lab.exec(a, 'sh', '-c', '/opt/terrarium/current/bin/etcdctl --endpoints 127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key member list');
  const lines = members.stdout.trim().split('\n');
  t.equal(lines.length, 3, 'etcd has three members');
  for (const line of lines) t.match(line, /, started, \S+, \S+, \S+, false$/, 'none is dead or a learner');
  const ids = await Promise.all(lab.machines.map(({ name }) => lab.exec(name, 'sh', '-c', 'grep clusterId /var/lib/terrarium/node.json')));
  t.equal(new Set(ids.map((i) => i.stdout.trim())).size, 1, 'one cluster id');
});
