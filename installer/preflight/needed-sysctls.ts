/** Kernel settings that must not be smaller; `preflight --fix` raises some of them further (fixes.ts). */
export const NEEDED_SYSCTLS = {
  'fs.inotify.max_user_instances': 1024,
  'fs.inotify.max_user_watches': 65_536,
  'kernel.pid_max': 32_768,
  'vm.max_map_count': 65_530,
};
