/** Those who are called back with each change. */
export interface Listeners<Args extends unknown[]> {
  /** @returns how to end it */
  add(listener: (...args: Args) => void): () => void;
  tell(...args: Args): void;
}

/** Creates an empty one; listeners are told in the order in which they came. */
export function createListeners<Args extends unknown[]>(): Listeners<Args> {
  const listeners = new Set<(...args: Args) => void>();
  return {
    add(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tell(...args) {
      for (const listener of listeners) {
        listener(...args);
      }
    },
  };
}
