/** The jobs of the storm, as a separate process: `storm-jobs URL DATA KIND JOBS FIRST-RUN`.
 *  Each job uploads one small artifact after another, until a message arrives; then the durations
 *  are sent back. */
import { zipSync } from 'fflate'
import { hash } from 'node:crypto'
import { grantOf } from '../src/auth/token-request.ts'
import { openKeys } from '../src/auth/key.ts'
import { mintToken } from '../src/auth/tokens.ts'
import { type Durations, noting, send } from './requests.ts'

const [url = '', data = '', kind = '', jobs = '', firstRun = ''] = process.argv.slice(2)
const service = `${url}/twirp/github.actions.results.api.v1.ArtifactService`
const project = 'octo/demo'
const durations: Durations = {}
const keys = await openKeys(data)
let runs = Number(firstRun)
let isOver = false
process.once('message', () => {
  isOver = true
})
const uploadOne = kind === 'stock' ? uploadByStockProtocol : putOne
await Promise.all(Array.from({ length: Number(jobs) }, loop))
process.send!(durations)
process.disconnect()

async function loop(): Promise<void> {
  while (!isOver) {
    runs += 1
    const run = runs
    await noting(durations, 'upload', async () => await uploadOne(run))
  }
}

/** The requests of `upload-artifact` for a zip of one block. */
async function uploadByStockProtocol(run: number): Promise<void> {
  const token = await mintToken(keys.tokens, grantOf({ project, run, job: 'build' }, Date.now()))
  const ids = { workflow_run_backend_id: String(run), workflow_job_run_backend_id: 'build' }
  const zip = zipOf(run)
  const call = async (method: string, message: object): Promise<Record<string, unknown>> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ ...ids, name: 'build', ...message })
    const answer = await send(`${service}/${method}`, { method: 'POST', headers, body })
    return JSON.parse(String(answer)) as Record<string, unknown>
  }
  const target = await noting(durations, 'CreateArtifact', async () => {
    const { signed_upload_url: signed } = await call('CreateArtifact', { version: 4 })
    return String(signed)
  })
  await noting(durations, 'block', async () => {
    await send(`${target}&comp=block&blockid=YQ%3D%3D`, { method: 'PUT', body: zip })
  })
  await noting(durations, 'block list', async () => {
    const body = '<?xml version="1.0"?><BlockList><Latest>YQ==</Latest></BlockList>'
    const headers = { 'x-ms-blob-content-type': 'zip' }
    await send(`${target}&comp=blocklist`, { method: 'PUT', headers, body })
  })
  await noting(durations, 'FinalizeArtifact', async () => {
    const digest = `sha256:${hash('sha256', zip, 'hex')}`
    await call('FinalizeArtifact', { size: String(zip.length), hash: digest })
  })
}

async function putOne(run: number): Promise<void> {
  const token = await mintToken(keys.tokens, grantOf({ project, scope: 'write' }, Date.now()))
  await send(`${url}/api/v1/projects/${project}/runs/${run}/artifacts/build`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/zip' },
    body: zipOf(run),
  })
}

/** Ten files of 4 KB, of which half are the same in every run. */
function zipOf(run: number): Uint8Array {
  const files = Array.from({ length: 10 }, (_, file) => {
    const line = file % 2 === 0 ? `file ${file}` : `file ${file} of run ${run}`
    return [`out/${file}.txt`, Buffer.from(`${line}\n`.repeat(4096 / (line.length + 1)))]
  })
  return zipSync(Object.fromEntries(files) as Record<string, Uint8Array>)
}
