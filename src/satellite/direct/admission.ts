/**
 * How long a query may go on without a bus: a satellite that is cut off may have been revoked, one that changes the
 * cloud is back by then.
 */
const ORPHAN_MS = 1_500;

/** Whether this satellite may answer readers: it is connected, and the cloud has answered since. */
export interface Admission {
  connected(): boolean;
  /**
   * A satellite that has been revoked may get as far as a server that does not know it yet, but nobody answers it: the
   * connection alone does not admit it.
   */
  admitted(): boolean;
  setConnected(up: boolean): void;
  /** The cloud has answered. */
  answered(): void;
  stop(): void;
}

/** @param up called where the bus is connected again @param orphaned called where it stays away */
export function createAdmission(up: () => void, orphaned: () => void): Admission {
  let connected = false;
  let answered = false;
  let timer: NodeJS.Timeout | undefined;
  return {
    connected: () => connected,
    admitted: () => connected && answered,
    setConnected(isUp) {
      // Each try that is refused says again that it is disconnected: the time runs from the first.
      if (connected === isUp) {
        return;
      }
      connected = isUp;
      answered = false;
      clearTimeout(timer);
      if (isUp) {
        up();
      } else {
        timer = setTimeout(orphaned, ORPHAN_MS);
      }
    },
    answered() {
      answered = true;
    },
    stop: () => clearTimeout(timer),
  };
}
