import { gatherCgroup } from './cgroup.ts';
import { gatherCpu } from './cpu.ts';
import { gatherDns } from './dns.ts';
import type { Facts } from './facts.ts';
import { gatherFirewall } from './firewall.ts';
import { gatherForeign } from './foreign.ts';
import { gatherKernelLog } from './kernel-log.ts';
import { gatherKernel } from './kernel.ts';
import { gatherLimits } from './limits.ts';
import { gatherListeners } from './listeners.ts';
import { gatherLogs } from './logs.ts';
import { gatherMemory } from './memory.ts';
import { gatherNetwork } from './network.ts';
import { gatherOs } from './os.ts';
import { gatherOwn } from './own.ts';
import { listProcesses } from './processes.ts';
import type { Question } from './question.ts';
import { gatherSecurity } from './security.ts';
import { gatherStorage } from './storage.ts';
import { gatherTime } from './time.ts';
import { gatherTools } from './tools.ts';

/** Looks at this machine, as root, in less than two seconds; leaves nothing behind. */
export async function gatherFacts(question: Question, env: NodeJS.ProcessEnv): Promise<Facts> {
  const processes = await listProcesses();
  const [
    os,
    cpu,
    memory,
    cgroup,
    kernel,
    security,
    tools,
    network,
    dns,
    listeners,
    foreign,
    own,
    firewall,
    limits,
    logs,
  ] = await Promise.all([
    gatherOs(),
    gatherCpu(),
    gatherMemory(),
    gatherCgroup(),
    gatherKernel(),
    gatherSecurity(processes),
    gatherTools(),
    gatherNetwork(),
    gatherDns(),
    gatherListeners(question.ports, processes),
    gatherForeign(question, processes),
    gatherOwn(question),
    gatherFirewall(processes),
    gatherLimits(env),
    gatherLogs(processes),
  ]);
  // By itself: the others would spoil its latencies.
  const storage = await gatherStorage(question);
  const time = await gatherTime(processes);
  const kernelLog = gatherKernelLog(storage.disks.flatMap((d) => d.devices));
  return {
    os,
    cpu,
    memory,
    cgroup,
    kernel,
    security,
    tools,
    storage,
    network,
    dns,
    listeners,
    foreign,
    own,
    firewall,
    limits,
    time,
    logs,
    kernelLog,
  };
}
