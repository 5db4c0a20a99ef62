/** Calls `react` once: when the signal is aborted, or now if it already is. Listens until `over` is
 *  aborted. */
export function onAbort(signal: AbortSignal, react: () => void, over: AbortSignal): void {
  if (signal.aborted) react()
  else signal.addEventListener('abort', react, { once: true, signal: over })
}
