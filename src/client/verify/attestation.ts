/** What a server has attested of an artifact (`core/attestation.ts`), verified by its key and made what files are compared with.
 *  No server is asked. */
import { createVerify } from 'node:crypto'
import {
  keyIdOf,
  parsePublicKeys,
  payloadType,
  type Receipt,
  receiptType,
  signedPrefix,
  type Statement,
  statementType,
  type Subject,
} from '../../core/attestation.ts'
import { type Digest, formatWireDigest } from '../../core/digest.ts'
import { comparePaths, type Entry, type EntryPath } from '../../core/entry.ts'
import { formatEntry, parseEntry } from '../../core/manifest.ts'
import { isSameProject, type ProjectName } from '../../core/run.ts'
import { createTreeColumns, type FetchedTree } from '../download/tree-columns.ts'
import { objectOf } from '../transport/message.ts'

/** An attestation that says nothing, or not what was asked of it. */
export class AttestationError extends Error {
  override readonly name = 'AttestationError'
}

export interface Attestation {
  /** Of the artifact, as a server would say them. */
  id: number
  name: string
  treeDigest: string
  receipt: Omit<Receipt, 'otherEntries'>
  /** SHA-256 of the key that signed it. */
  keyId: string
  /** What it is about; of a part of an artifact only that. */
  tree: FetchedTree
}

/** Reads a bundle of Sigstore, or the DSSE envelope of one, whose signature is of one of the public keys in `pem`. What a pull
 *  request made is not trusted unless that is said. Errors: AttestationError, invalid_request (the keys). */
export function readAttestation(
  text: string,
  pem: string,
  { allowUntrusted = false }: { allowUntrusted?: boolean } = {},
): Attestation {
  const { payload, keyId } = verifiedPayload(text, pem)
  const statement = (objectOf(payload.toString()) ?? {}) as Partial<Statement>
  if (statement._type !== statementType || statement.predicateType !== receiptType)
    throw new AttestationError(
      `the attestation is another kind of statement: ${statement.predicateType ?? 'of no type'}`,
    )
  const { subject, predicate } = statement as Statement
  const { otherEntries, ...receipt } = predicate
  if (receipt.untrusted && !allowUntrusted)
    throw new AttestationError(
      `run ${receipt.run} of ${receipt.project} was of a pull request: nobody had merged its code`,
    )
  return {
    id: receipt.artifactId,
    name: receipt.name,
    treeDigest: receipt.treeDigest,
    receipt,
    keyId,
    tree: treeOf(subject, otherEntries),
  }
}

interface Envelope {
  payloadType: string
  payload: string
  signatures: { sig: string }[]
}

function verifiedPayload(text: string, pem: string): { payload: Buffer; keyId: string } {
  const { payload: encoded, signatures } = envelopeOf(text)
  const payload = Buffer.from(encoded, 'base64')
  const prefix = signedPrefix(payload.length)
  for (const key of parsePublicKeys(pem)) {
    const isSigned = signatures.some(({ sig }) =>
      createVerify('sha256').update(prefix).update(payload).verify(key, sig, 'base64'),
    )
    if (isSigned) return { payload, keyId: keyIdOf(key) }
  }
  throw new AttestationError('the attestation was changed, or another key has signed it')
}

/** Errors: AttestationError. */
function envelopeOf(text: string): Envelope {
  const bundle = (objectOf(text) ?? {}) as { dsseEnvelope?: unknown }
  const envelope = (bundle.dsseEnvelope ?? bundle) as Partial<Envelope>
  const { payload, signatures } = envelope
  const isWhole =
    envelope.payloadType === payloadType &&
    typeof payload === 'string' &&
    Array.isArray(signatures) &&
    signatures.every((signature) => typeof signature?.sig === 'string')
  if (!isWhole) throw new AttestationError('it holds no attestation: no envelope of in-toto')
  return envelope as Envelope
}

/** Errors: unsafe_path, duplicate_path (a server that lies). */
function treeOf(subjects: Subject[], otherEntries: string[]): FetchedTree {
  const entries: Entry[] = otherEntries.map(parseEntry)
  for (const { name, digest, annotations } of subjects) {
    if (annotations === undefined) continue
    entries.push({
      kind: 'file',
      // Judged with its line, as those that come from a server.
      path: name as EntryPath,
      mode: Number.parseInt(annotations.mode, 8),
      digest: digest.sha256 as Digest,
      sizeBytes: annotations.sizeBytes,
    })
  }
  entries.sort((a, b) => comparePaths(a.path, b.path))
  const tree = createTreeColumns()
  tree.addLines(Buffer.from(entries.map(formatEntry).join('')))
  return tree
}

/** Where the artifact has what `digest` is of: the path of a file, or the name of its zip; undefined: nowhere. */
export function attestedName({ receipt, tree }: Attestation, digest: Digest): string | undefined {
  if (receipt.path === '' && receipt.zipDigest === formatWireDigest(digest))
    return `${receipt.name}.zip`
  for (let ordinal = 0; ordinal < tree.count; ordinal++)
    if (tree.kind(ordinal) === 'file' && tree.digest(ordinal) === digest) return tree.path(ordinal)
  return undefined
}

/** What an artifact is expected to be. */
export interface AttestedPlace {
  project?: ProjectName
  run?: number
  name?: string
  id?: number
}

/** Errors: AttestationError, where the attestation is about something else. */
export function requirePlace({ receipt }: Attestation, wanted: AttestedPlace): void {
  const { project, run, name, id } = wanted
  const found = receipt.project as ProjectName
  const isOther =
    (project !== undefined && !isSameProject(project, found)) ||
    (run !== undefined && run !== receipt.run) ||
    (name !== undefined && name !== receipt.name) ||
    (id !== undefined && id !== receipt.artifactId)
  if (isOther)
    throw new AttestationError(
      `the attestation is about ${found}@${receipt.run}/${receipt.name}, id:${receipt.artifactId}`,
    )
}
