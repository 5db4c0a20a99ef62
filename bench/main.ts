/** `npm run bench -- NAME [PART…]`: runs one benchmark, or parts of it, and prints Markdown. */
import { bigStoreParts } from './big-store.ts'
import { egressParts } from './egress.ts'
import { ingestParts } from './ingest.ts'
import { describeMachine, type Parts } from './measure.ts'
import { nativeParts } from './native.ts'
import { stormParts } from './storm.ts'

const benches: Record<string, { parts: Parts; programs: string[] }> = {
  ingest: { parts: ingestParts, programs: ['restic', 'borg', 'curl'] },
  'big-store': { parts: bigStoreParts, programs: [] },
  native: { parts: nativeParts, programs: ['restic', 'borg'] },
  storm: { parts: stormParts, programs: [] },
  egress: { parts: egressParts, programs: ['curl'] },
}

const [name = '', ...wanted] = process.argv.slice(2)
const bench = benches[name]
if (bench === undefined || wanted.some((part) => bench.parts[part] === undefined)) {
  const usage = Object.entries(benches).map(
    ([n, b]) => `  ${n} [${Object.keys(b.parts).join('] [')}]`,
  )
  console.error(`usage: npm run bench -- NAME [PART…]\n${usage.join('\n')}`)
  process.exit(2)
}
console.log(await describeMachine(bench.programs))
for (const [part, measure] of Object.entries(bench.parts)) {
  if (wanted.length > 0 && !wanted.includes(part)) continue
  console.log(`\n## ${name}: ${part}\n`)
  await measure()
}
