/** Servers whose packs are in a bucket: of a fake service, and of the real one that `TROVE_TEST_S3`
 *  names. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { type Client, createClient } from '../../src/client/client.ts'
import type { BucketPlace } from '../../src/core/bucket-place.ts'
import { type Outcome, runTrove } from '../cli/run-trove.ts'
import {
  describeTree,
  makeDirectory,
  makeHardTree,
  makeTree,
  pseudoRandom,
} from '../client/tree.ts'
import { type FakeS3, placeIn, realPlace, startFakeS3 } from '../packs/fake-s3.ts'
import { startTrove, type TroveProcess } from './trove-process.ts'

export const quiet = {
  TROVE_GC_INTERVAL: 'off',
  TROVE_SNAPSHOT_INTERVAL: 'off',
  TROVE_MIN_FREE: '0',
  TROVE_LOG_LEVEL: 'error',
}

export interface Site {
  data: string
  /** Environment of servers and commands. */
  environment: Record<string, string>
  serve(): Promise<TroveProcess>
  run(args: string[], environment?: Record<string, string>): Promise<Outcome>
}

export async function siteIn({ bucket, prefix, endpoint }: BucketPlace): Promise<Site> {
  const data = join(await makeDirectory(), 'data')
  const environment = {
    ...quiet,
    TROVE_S3_BUCKET: `${bucket}/${prefix}`,
    TROVE_S3_ENDPOINT: endpoint!,
    AWS_ACCESS_KEY_ID: process.env['AWS_ACCESS_KEY_ID']!,
    AWS_SECRET_ACCESS_KEY: process.env['AWS_SECRET_ACCESS_KEY']!,
  }
  return {
    data,
    environment,
    serve: async () => {
      const server = await startTrove(data, environment)
      onTestFinished(async () => {
        await server.stop()
      })
      return server
    },
    run: async (args, own = environment) => await runTrove([...args, '--data', data], own),
  }
}

export async function imitated(): Promise<{ fake: FakeS3; site: Site }> {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  return { fake, site: await siteIn(placeIn(fake)) }
}

export async function clientOf(server: TroveProcess): Promise<Client> {
  const token = await server.token(['--project', 'octo/demo', '--scope', 'write'])
  return createClient({ url: server.url, token, cacheDir: null })
}

/** Creates entries of every kind, and a file that needs more than one part. */
export async function makeSource(): Promise<string> {
  const root = await makeDirectory()
  await makeHardTree(root)
  await makeTree(root, { 'large/file': pseudoRandom(30_000_000, 'large') })
  return root
}

export type Uploaded = Awaited<ReturnType<Client['upload']>>['artifact']

export async function upload(client: Client, directory: string, run = 1): Promise<Uploaded> {
  const source = { kind: 'patterns', patterns: ['.'], directory, includeHidden: true } as const
  const { artifact } = await client.upload({ project: 'octo/demo', run, name: 'build', source })
  return artifact
}

export async function expectSame(
  client: Client,
  artifact: Uploaded,
  source: string,
): Promise<void> {
  const destination = await makeDirectory()
  await client.download({ artifact, destination })
  expect(await describeTree(destination)).toEqual(await describeTree(source))
}

const real = realPlace()
export const places: [string, () => Promise<Site>][] = [
  ['imitated', async () => (await imitated()).site],
]
if (real !== undefined) {
  places.push([
    'real',
    async () => await siteIn({ ...real, prefix: `${randomBytes(8).toString('hex')}/` }),
  ])
}
