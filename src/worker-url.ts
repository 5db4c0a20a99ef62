/** Where a worker thread's compiled code lies. Node 20 cannot run TypeScript, so when the source itself is being run
 *  (tests), workers still load from `dist`, which `npm run build` fills. */

/** Resolves `relative` (a `.ts` path) against `base` (an `import.meta.url`), mapped to compiled code. */
export function workerUrl(base: string, relative: string): URL {
  const url = new URL(relative, base)
  if (base.endsWith('.js')) return new URL(url.href.replace(/\.ts$/, '.js'))
  const root = new URL('..', import.meta.url)
  const path = url.href.slice(root.href.length)
  return new URL(`dist/${path.replace(/\.ts$/, '.js')}`, root)
}
