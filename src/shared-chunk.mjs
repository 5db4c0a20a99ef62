/** A plugin for esbuild, which makes a chunk for each set of entry points that share modules. An
 *  import on demand is an entry point, so a program with many of them would load thirty small files
 *  at its start, a millisecond each. Here imports on demand also import `atStart`, the modules that
 *  the program loads at once, which makes one chunk of these. */
import { dirname, join } from 'node:path'

export function sharedChunk(atStart) {
  const namespace = 'on-demand'
  const shared = atStart.map((path) => `import ${JSON.stringify(path)}\n`).join('')
  return {
    name: 'shared chunk',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\..*\.ts$/ }, ({ kind, path, resolveDir }) =>
        kind === 'dynamic-import' ? { path: join(resolveDir, path), namespace } : undefined,
      )
      onLoad({ filter: /./, namespace }, ({ path }) => ({
        contents: `${shared}export * from ${JSON.stringify(path)}`,
        resolveDir: dirname(path),
      }))
    },
  }
}
