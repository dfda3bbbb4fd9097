import type { Lab } from './lab.ts';
import type { Ended } from './terrarium.ts';

const ETCDCTL =
  '/opt/terrarium/current/bin/etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert ' +
  '/etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key';

/** Runs etcdctl on a machine, against its own member unless `--endpoints` is given. */
export function etcdctl(lab: Lab, machine: string, command: string): Promise<Ended> {
  return lab.exec(
    machine,
    'sh',
    '-c',
    `${ETCDCTL} ${command.includes('--endpoints') ? '' : '--endpoints 127.0.0.1:2379'} ${command}`,
  );
}
