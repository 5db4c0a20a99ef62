/** nginx with `deploy/nginx.conf` in front of a server. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openStore } from './store.ts'

const sizeBytes = 64 * 1024 * 1024
const store = await openStore()
const token = await store.token()

async function sh(script: string): Promise<string> {
  return (await promisify(execFile)('bash', ['-o', 'pipefail', '-c', script])).stdout
}

/** Everything outside the file waits for a second only, where nginx's own default is a minute. */
async function startNginx(upstream: string): Promise<string> {
  const directory = await makeDirectory()
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const host = `127.0.0.1:${(probe.address() as AddressInfo).port}`
  await promisify(probe.close.bind(probe))()
  const site = readFileSync(new URL('../../deploy/nginx.conf', import.meta.url), 'utf8')
    .replace('listen 443 ssl;', `listen ${host}; http2 on;`)
    .replaceAll(/^ *ssl_certificate.*\n/gm, '')
    .replaceAll('/var/log/nginx/', `${directory}/`)
    .replace('http://127.0.0.1:7878', upstream)
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const temporary = places.map((name) => `${name}_temp_path ${join(directory, name)};`)
  for (const name of places) mkdirSync(join(directory, name))
  const impatient = 'client_body_timeout 1s; send_timeout 1s; proxy_read_timeout 1s;'
  const configuration = join(directory, 'nginx.conf')
  writeFileSync(
    configuration,
    `daemon off; master_process off; pid ${directory}/pid; events {}
     http { ${temporary.join(' ')} ${impatient} ${site} }`,
  )
  const errors = join(directory, 'errors')
  const nginx = spawn('nginx', ['-e', errors, '-c', configuration], { stdio: 'inherit' })
  onTestFinished(() => void nginx.kill())
  await sh(`until curl -s -o /dev/null http://${host}/healthz; do sleep 0.1; done`)
  return `http://${host}`
}

test.each(['--http1.1', '--http2-prior-knowledge'])(
  'uploads and downloads that pause get through with %s',
  async (version) => {
    const api = `${await startNginx(store.url)}/api/v1`
    const curl = `curl -sS --fail-with-body ${version} -H 'Authorization: Bearer ${token}'`
    const target = `${api}/projects/octo/demo/runs/1/artifacts/${version.length}?filename=f`
    const half = `head -c ${sizeBytes / 2} /dev/zero`
    const answer = await sh(`(${half}; sleep 4; ${half}) | ${curl} -T - '${target}'`)
    const { id } = JSON.parse(answer) as { id: number }
    const file = `${api}/artifacts/${id}/files/f`
    const paused = sh(`${curl} '${file}' | (head -c 100000; sleep 4; cat) | wc -c`)
    expect(Number(await paused)).toBe(sizeBytes)
  },
)

test('a server that is away looks busy, so that the stock client sends its blocks again', async () => {
  const url = await startNginx('http://127.0.0.1:1')
  const status = "curl -s -o /dev/null -w '%{http_code}'"
  expect(await sh(`${status} -T ${import.meta.filename} ${url}/blob/artifacts/1`)).toBe('503')
})
