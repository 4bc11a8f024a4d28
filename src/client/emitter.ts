type Listeners<Events> = { [Name in keyof Events]?: Set<(event: Events[Name]) => void> };

/** Typed events. A listener that throws harms nobody but itself: its error is reported as one that nobody caught. */
export class Emitter<Events> {
  /** What ends with whatever the events are about. */
  readonly ends = new Set<() => void>();
  readonly #listeners: Listeners<Events> = {};

  /** The returned function takes the listener away. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    const listeners = (this.#listeners[name] ??= new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners[name] ?? []) {
      try {
        listener(event);
      } catch (error) {
        void Promise.reject(error);
      }
    }
  }

  /** No more comes: every iteration ends. */
  finish(): void {
    for (const end of this.ends) end();
    this.ends.clear();
  }
}
