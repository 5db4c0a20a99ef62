/** Every page in every state that it has, with what it shows. */
import { join } from 'node:path'
import { digestOf, formatWireDigest } from '../../src/core/bytes/digest.ts'
import { noise } from '../actions/archives.ts'
import { checkoutConfig, githubToken } from '../core/made-up-secrets.ts'
import type { TestServer } from '../http/open-server.ts'
import { scanNow } from '../http/scan-now.ts'
import { spoil } from '../lifecycle/stored-bytes.ts'
import { putTar, type Seeded, seedDays, seedProject } from './seed.ts'

const run = '/octo/app/actions/runs/42'

/** Seeds an empty server; returns the address of each page by what it shows. */
export async function seedEveryPage(
  server: TestServer,
): Promise<{ seeded: Seeded; addresses: Record<string, string> }> {
  const states = await putStates(server)
  const seeded = await seedProject(server)
  const artifact = `${run}/artifacts/${seeded.site}`
  const files =
    'build.log config.json README.md sizes.csv logo.png pack.zip bin/tool index.html events.ndjson'
  const compare = `/octo/app/compare/${seeded.before}...${seeded.site}`
  const addresses = {
    projects: '/',
    runs: '/octo/app',
    'runs of a branch that has none': '/octo/app?branch=none',
    artifacts: '/octo/app/artifacts',
    'artifacts that were deleted': '/octo/app/artifacts?state=deleted',
    'no artifacts': '/octo/app/artifacts?name=none',
    search: '/octo/app/search',
    'paths that match': '/octo/app/search?path=**',
    'no path matches': '/octo/app/search?path=none',
    'an invalid pattern': '/octo/app/search?path=!none',
    run,
    artifact,
    'a directory': `${artifact}/tree/assets`,
    changes: `${artifact}/changes`,
    'where used': `${artifact}/used`,
    details: `${artifact}/details`,
    'the confirmation of a deletion': `${artifact}/delete`,
    ...Object.fromEntries(files.split(' ').map((path) => [path, `${artifact}/blob/${path}`])),
    source: `${artifact}/blob/index.html?as=text`,
    'a file in an archive': `${artifact}/blob/pack.zip!/inner/a.txt`,
    'the history of a file': `${artifact}/history/build.log`,
    compare,
    'a text that changed': `${compare}?file=build.log`,
    'an image that changed': `${compare}?file=logo.png`,
    upload: '/octo/app/upload',
    'storage of a project': '/octo/app/storage',
    trends: '/octo/app/trends',
    'a trend': '/octo/app/trends?name=site&branch=main',
    'no trend': '/octo/app/trends?name=none&branch=main',
    settings: '/octo/app/settings',
    retention: '/octo/app/settings/retention?days=1',
    'the audit log': '/admin/audit',
    'the audit log of a project': '/octo/app/settings/audit',
    'an audit log without matching entries': '/octo/app/settings/audit?kind=backup',
    tokens: '/admin/tokens',
    account: '/account',
    'tokens of a project': '/octo/app/settings/tokens',
    'the confirmation of a revocation': '/octo/app/settings/tokens?revoke=all',
    storage: '/admin/storage',
    maintenance: '/admin/maintenance',
    find: '/find',
    'no digest': '/find?digest=none',
    'an unknown address': '/nowhere/at-all',
    'sign in': '/sign-in',
    'an invalid token': '/sign-in?token=none',
    ...states,
  }
  return { seeded, addresses }
}

/** Creates artifacts and runs in various states; returns the address of each by what it shows. */
async function putStates(server: TestServer): Promise<Record<string, string>> {
  await seedDays(server, 4)
  const place = (number: number, id: number): string =>
    `/octo/app/actions/runs/${number}/artifacts/${id}`
  const brief = await putTar(
    server,
    '1/artifacts/site',
    [{ name: 'a', content: 'a' }],
    'retentionDays=1',
  )
  server.clock.now += 2 * 86_400_000
  const gone = await putTar(server, '2/artifacts/gone', [{ name: 'a', content: 'a' }])
  await server.send(`/api/v1/artifacts/${gone}`, { method: 'DELETE' })
  const bad = noise(50_000, 77)
  const damaged = await putTar(server, '3/artifacts/damaged', [{ name: 'bad.bin', content: bad }])
  await spoil(join(server.dataDir, 'cas'), bad.subarray(25_000, 25_016))
  await server.send(`/api/v1/artifacts/${damaged}/files/bad.bin`)
  const long = 'as-long-as-names-get-'.repeat(8)
  await putTar(server, `5/artifacts/${long}`, [{ name: 'a', content: 'a' }], `branch=${long}`)
  const second = await putTar(server, `6/artifacts/${long}`, [{ name: 'b', content: 'b' }])
  await server.send(`/api/v1/artifacts/${second}`, { method: 'PATCH', json: { pinned: true } })
  await server.send('/api/v1/tokens', {
    method: 'POST',
    json: { run: 6, job: long, scope: 'read' },
  })
  const leaking = await putTar(server, '7/artifacts/checkout', [
    { name: '.git/config', content: checkoutConfig() },
    { name: `${long}/ci.log`, content: `${githubToken()}\n`.repeat(3) },
  ])
  await scanNow(server)
  await server.send(`/api/v1/artifacts/${leaking}/secrets`, {
    method: 'PATCH',
    json: { digest: formatWireDigest(digestOf(checkoutConfig())), dismissed: true },
  })
  const at = server.clock.now
  const job = { key: 'job', id: 'build', name: 'build (20)' }
  const line = { type: 'line', at, job: 'job', step: 1 }
  const events = [
    { type: 'run-started', at },
    { type: 'job-named', at, job },
    { type: 'job-started', at, job: 'job' },
    { type: 'step-started', at, job: 'job', step: { number: 1, name: 'Run make' } },
    { ...line, kind: 'command', text: 'make' },
    { ...line, kind: 'group', text: 'Compile' },
    { ...line, kind: 'warning', text: 'old' },
    { ...line, kind: 'endgroup', text: '' },
    { ...line, kind: 'error', text: 'no rule' },
    ...(['error', 'warning', 'notice'] as const).map((level) => ({
      type: 'annotation',
      at,
      job: 'job',
      step: 1,
      level,
      title: 'Make',
      file: 'src/a.c',
      line: 3,
      message: 'no rule\nto make it',
    })),
    {
      type: 'summary',
      at,
      job: 'job',
      step: 1,
      text: '# Tests\n\n| test | ms |\n|---|---|\n| `a` | 3 |\n\n- [x] done\n\n```\nlog\n```\n',
    },
    { type: 'job-finished', at, job: 'job', conclusion: 'failure', durationMs: 9000 },
  ]
  await server.record(4, events)
  return {
    'an artifact with secrets': place(7, leaking),
    'dismissed secrets': `${place(7, leaking)}/details`,
    'artifacts with secrets': '/octo/app/artifacts?state=secrets',
    'an expired artifact': place(1, brief),
    'a deleted artifact': place(2, gone),
    'the run of a deleted artifact': `/octo/app/actions/runs/2?deleted=${gone}`,
    'a damaged artifact': place(3, damaged),
    'a damaged file': `${place(3, damaged)}/blob/bad.bin`,
    'long names': place(6, second),
    'a choice among long names': `${place(6, second)}/changes`,
    'a recorded run': '/octo/app/actions/runs/4',
    'a recorded job': '/octo/app/actions/runs/4/attempts/1/jobs/job',
  }
}
