// What of default-gateway 7 is used here; it has no types of its own.
declare module 'default-gateway' {
  interface Result {
    readonly gateway: string;
    /** The interface that leads to it, where the system tells. */
    readonly int: string | null;
  }
  function gateway4async(): Promise<Result>;
  function gateway6async(): Promise<Result>;
}
