/** The image: its health check, run as the container would run it, and its user. The manifests for
 *  Kubernetes. */
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { limits } from '../src/core/limits.ts'
import { check, dockerfile, start } from './image-health.ts'
import { whileDiskRefuses } from './refusing-disk.ts'

test('the health check of the image says why the server is not ready', async () => {
  const { server, data } = await start('127.0.0.1')
  const refused = await whileDiskRefuses(async () => await check(data))
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('is inaccessible') })
  expect(await check(data)).toEqual({ code: 0, stdout: 'ready\n' })
  await server.close()
  const stopped = await check(data, new URL(server.url).port)
  expect(stopped).toMatchObject({ code: 1, stdout: '' })
})

// `runAsNonRoot` rejects an image whose user is a name.
test('Kubernetes can tell that the user of the image is not root', () => {
  expect(dockerfile).toMatch(/^USER [1-9]\d*$/m)
})

// `npm ci` runs no scripts there, since those of the build need the source.
test('the image builds each package of the server that has to be compiled', async () => {
  const lock = await readFile(new URL('../package-lock.json', import.meta.url), 'utf8')
  const { packages } = JSON.parse(lock) as {
    packages: Record<string, { hasInstallScript?: boolean; dev?: boolean }>
  }
  const compiled = Object.entries(packages)
    .filter(([, { hasInstallScript, dev }]) => hasInstallScript === true && dev !== true)
    .map(([path]) => path.replace('node_modules/', ''))
  const [, rebuilt = ''] = /^RUN npm ci --ignore-scripts && npm rebuild (.+)$/m.exec(dockerfile)!
  expect(rebuilt.split(' ')).toEqual(compiled)
})

describe.each(['kubernetes.yaml', 'kubernetes-deployment.yaml'])('%s', async (file) => {
  const manifest = await readFile(new URL(`../deploy/${file}`, import.meta.url), 'utf8')
  const numberOf = (key: string): number =>
    Number(new RegExp(`^ *${key}: (\\d+)$`, 'm').exec(manifest)?.[1])

  test('runs as the user of the image, with its volume', () => {
    const user = Number(/^USER (\d+)$/m.exec(dockerfile)?.[1])
    for (const key of ['runAsUser', 'runAsGroup', 'fsGroup'])
      expect([key, numberOf(key)]).toEqual([key, user])
    expect(manifest).toContain(`mountPath: ${/^VOLUME (.+)$/m.exec(dockerfile)![1]} `)
  })

  test('gives running requests the time that the server gives them', () => {
    const graceMs = numberOf('terminationGracePeriodSeconds') * 1000
    expect(graceMs).toBeGreaterThan(limits.stopGraceMs + limits.endingMs)
  })

  test('asks for paths that need no token', async () => {
    const { server } = await start('127.0.0.1')
    const paths = Array.from(manifest.matchAll(/httpGet: \{ path: (\S+),/g), ([, path]) => path)
    expect(paths).toEqual(['/readyz', '/healthz'])
    for (const path of paths) expect((await fetch(`${server.url}${path}`)).status).toBe(200)
  })
})
