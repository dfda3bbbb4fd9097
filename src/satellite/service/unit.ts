import { SYSTEM_PATH } from '../../../installer/system-path.ts';
import { SERVICE_DATA, SERVICE_PREFIX, SERVICE_UID, servicePaths } from './paths.ts';

/**
 * The satellite as a service. It reads what everybody may read, and writes below its own folder alone: its state, and
 * its credential, which it renews beside the one it has. Its SQL children have its user, no privileges, and no more
 * than it has. Left open on purpose: all of /proc (its tables are the machine's processes and sockets), home folders to
 * look at (the file systems mounted there are rows of `disks`), and memory that is written and executed (V8 compiles).
 *
 * @param options `podLogs`: containers run here, whose logs are readable by root's group
 */
export function satelliteUnit({ podLogs }: { podLogs: boolean }): string {
  const paths = servicePaths('/');
  const environment = {
    PATH: SYSTEM_PATH,
    HOME: paths.state,
    TERRARIUM_DATA: SERVICE_DATA,
    TERRARIUM_CLUSTER_CONFIG: '/nonexistent',
    TERRARIUM_CLOUDS_FILE: '/nonexistent',
  };
  const assignments = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return `[Unit]
Description=Satellite of Terrarium (answers queries about this machine)
Wants=network-online.target
After=network-online.target
# It has its own pauses between tries.
StartLimitIntervalSec=0

[Service]
Environment=${assignments.join(' ')}
EnvironmentFile=-${paths.environment}
ExecStart=${paths.program} satellite
Restart=always
RestartSec=2
TimeoutStopSec=15
User=${SERVICE_UID}
Group=${SERVICE_UID}
${podLogs ? 'SupplementaryGroups=0\n' : ''}UMask=0077
WorkingDirectory=/

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ReadWritePaths=${paths.satellite}
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

MemoryMax=1536M
TasksMax=256
CPUWeight=20
OOMScoreAdjust=500

[Install]
WantedBy=multi-user.target
# Files: ${SERVICE_PREFIX}, ${SERVICE_DATA}; \`terrarium satellite uninstall\` removes them.
`;
}
