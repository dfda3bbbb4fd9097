import { socketOwners, unixSockets, inetSockets } from '../sockets.ts';
import type { LiveTable } from '../table.ts';

/**
 * More than any machine of ours has; what is beyond is left out, so that a flood of connections cannot fill the memory.
 */
const MAX_SOCKETS = 100_000;

export const table: LiveTable = {
  kind: 'live',
  privileged: true,
  name: 'sockets',
  description:
    "Sockets of the node's network, one row each, listening ones included; pods on the host network are part of it",
  columns: [
    { name: 'protocol', type: 'text', description: 'tcp, tcp6, udp, udp6 or unix' },
    {
      name: 'state',
      type: 'text',
      description: 'LISTEN, ESTABLISHED, TIME_WAIT …; UNCONNECTED for a udp socket without peer',
    },
    { name: 'local_address', type: 'text', description: 'own IP address; null for unix' },
    { name: 'local_port', type: 'integer', description: 'own port; null for unix' },
    { name: 'remote_address', type: 'text', description: "the peer's IP address; null without one" },
    { name: 'remote_port', type: 'integer', description: "the peer's port; null without one" },
    {
      name: 'path',
      type: 'text',
      description: 'name of a unix socket, an abstract one begins with @; null without name',
    },
    { name: 'uid', type: 'integer', description: 'user id of its owner; null for unix' },
    {
      name: 'pid',
      type: 'integer',
      description:
        'process that holds it, the one with the lowest number if several do; null if none does, or if the ' +
        'satellite may not look into that process',
    },
    { name: 'send_queue_bytes', type: 'integer', description: 'bytes not yet acknowledged by the peer; null for unix' },
    {
      name: 'receive_queue_bytes',
      type: 'integer',
      description:
        'bytes that the process has not read yet, for a listening socket connections not yet accepted; null for unix',
    },
    {
      name: 'inode',
      type: 'integer',
      description: "the kernel's number of the socket; 0 if no process holds it any more",
    },
  ],
  *rows({ proc }) {
    const owners = socketOwners(proc);
    let left = MAX_SOCKETS;
    for (const protocol of ['tcp', 'tcp6', 'udp', 'udp6'] as const) {
      for (const socket of inetSockets(proc, protocol)) {
        if (left-- <= 0) {
          return;
        }
        yield { ...socket, path: null, pid: owners.get(socket.inode) ?? null };
      }
    }
    for (const socket of unixSockets(proc)) {
      if (left-- <= 0) {
        return;
      }
      yield {
        protocol: 'unix',
        ...socket,
        local_address: null,
        local_port: null,
        remote_address: null,
        remote_port: null,
        uid: null,
        pid: owners.get(socket.inode) ?? null,
        send_queue_bytes: null,
        receive_queue_bytes: null,
      };
    }
  },
};
