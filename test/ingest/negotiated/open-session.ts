/** A negotiated upload, step by step, in the thread of the test. */
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { parseArtifactName } from '../../../src/core/artifact.ts'
import {
  decodeOrdinals,
  encodeBlobRecordHead,
  writeComposite,
} from '../../../src/core/bytes/blob-exchange.ts'
import type { Composite } from '../../../src/core/bytes/copy.ts'
import { crc32 } from '../../../src/core/bytes/crc32.ts'
import { type Digest, digestOf } from '../../../src/core/bytes/digest.ts'
import { parseEntryPath } from '../../../src/core/manifest/entry.ts'
import { limits } from '../../../src/core/limits.ts'
import {
  formatEntry,
  manifestHeader,
  type ManifestSummary,
} from '../../../src/core/manifest/manifest.ts'
import { parseProjectName, noFacts } from '../../../src/core/run/run.ts'
import { createByteWriter } from '../../../src/core/bytes/varint.ts'
import type { NegotiationAnswers, NegotiationJob } from '../../../src/ingest/negotiated/job.ts'
import { negotiate } from '../../../src/ingest/negotiated/negotiate.ts'
import { encodeJoiningSync } from '../../../src/packs/codec/codec.ts'
import type { TestStore } from '../open-store.ts'

export type Files = Record<string, Buffer>

export function manifestOf(files: Files): { text: string; treeDigest: Digest; entryCount: number } {
  const paths = Object.keys(files).toSorted()
  const lines = paths.map((path) =>
    formatEntry({
      kind: 'file',
      path: parseEntryPath(path),
      mode: 0o644,
      digest: digestOf(files[path]!),
      sizeBytes: files[path]!.length,
    }),
  )
  const text = manifestHeader + lines.join('')
  return { text, treeDigest: digestOf(text), entryCount: paths.length }
}

function summaryOf(files: Files): ManifestSummary {
  const { treeDigest, entryCount } = manifestOf(files)
  const logicalBytes = Object.values(files).reduce((sum, { length }) => sum + length, 0)
  return { treeDigest, entryCount, fileCount: entryCount, logicalBytes }
}

export function record(content: Buffer, kind: 'blob' | 'firstPart' = 'blob', level = 6): Buffer {
  const stream = encodeJoiningSync(content, level)
  const head = { kind, sizeBytes: content.length, lengthBytes: stream.length }
  return Buffer.concat([encodeBlobRecordHead(head), stream])
}

export function compositeOf(parts: Buffer[], overrides: Partial<Composite> = {}): Composite {
  const whole = Buffer.concat(parts)
  return {
    digest: digestOf(whole),
    sizeBytes: whole.length,
    crc32: crc32(whole),
    parts: parts.map((part) => digestOf(part)),
    ...overrides,
  }
}

export function encoded(composite: Composite): Buffer {
  const out = createByteWriter()
  writeComposite(out, composite)
  return out.bytes()
}

type StepName = NegotiationJob['step']
type StepOf<Name extends StepName> = { step: Name } & Omit<
  Extract<NegotiationJob, { step: Name }>,
  'sessionId' | 'step' | 'sentOnly'
>

export interface Session {
  projectId: number
  id: string
  step<Name extends StepName>(job: StepOf<Name>, body?: Buffer): Promise<NegotiationAnswers[Name]>
  /** Offers the manifest of the files; returns the missing ordinals. */
  offer(files: Files): Promise<number[]>
  commit(files: Files): Promise<NegotiationAnswers['commit']>
  /** What a commit needs in addition to the tree. */
  target: Omit<StepOf<'commit'>, 'step' | 'tree'>
}

let offers = 0

export async function openSession(store: TestStore, project: string): Promise<Session> {
  offers += 1
  const number = offers
  const run = await store.metadata.ensureRun(
    { project: parseProjectName(project), number: 1, attempt: 1 },
    noFacts,
    store.ports.now(),
  )
  const { sessionId } = await store.metadata.openOfferSession({
    projectId: run.projectId,
    offer: digestOf(`offer ${number}`),
    now: store.ports.now(),
    leaseMs: limits.leaseMs,
  })
  const name = parseArtifactName(`artifact-${number}`)
  const session: Session = {
    id: sessionId,
    projectId: run.projectId,
    step: async (job, body) =>
      (await negotiate(store.ports, { ...job, sessionId, sentOnly: false } as NegotiationJob, {
        body: body && Readable.from([body], { objectMode: false }),
      })) as never,
    offer: async (files) => {
      const { text, treeDigest, entryCount } = manifestOf(files)
      return decodeOrdinals(
        await session.step(
          { step: 'manifest', treeDigest, entryCount, encoding: 'gzip' },
          gzipSync(text),
        ),
      )
    },
    commit: async (files) =>
      await session.step({
        step: 'commit',
        tree: summaryOf(files),
        ...session.target,
      }),
    target: {
      runId: run.id,
      job: 'job',
      name,
      createdAt: store.ports.now(),
      expiresAt: store.ports.now() + 1_000_000,
      onConflict: 'same',
    },
  }
  return session
}
