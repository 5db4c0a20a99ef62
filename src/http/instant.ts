/** `epochMs` as the native API writes times. */
export function instant(epochMs: number): string {
  return new Date(epochMs).toISOString()
}
