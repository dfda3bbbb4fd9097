/** Programs are always started with this PATH, on every machine and whatever the administrator's shell has. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
