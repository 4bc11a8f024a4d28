/** Replaces a method of a class for all of its objects by one that may call the old one. */
export function patch<T extends object, K extends keyof T>(prototype: T, name: K, make: (old: T[K]) => T[K]): void {
  prototype[name] = make(prototype[name]);
}
