type Listeners<Events> = { [Name in keyof Events]?: Set<(event: Events[Name]) => void> };

/** Typed events. A listener that throws harms nobody but itself: its error is reported as one that nobody caught. */
export class Emitter<Events> {
  readonly #listeners: Listeners<Events> = {};

  /** The returned function takes the listener away. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    // Of its own, so that a listener that was given twice is there twice.
    const own = (event: Events[Name]): void => listener(event);
    const listeners = (this.#listeners[name] ??= new Set());
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners[name] ?? []) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
