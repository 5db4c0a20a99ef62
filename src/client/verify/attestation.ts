/** Verifies what a server has attested of an artifact (`core/attestation.ts`) with the server's
 *  public key, and turns it into a tree to compare files with. Needs no server. */
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
import { type Digest, formatWireDigest } from '../../core/bytes/digest.ts'
import { comparePaths, type Entry, type EntryPath } from '../../core/manifest/entry.ts'
import { formatEntry, parseEntry } from '../../core/manifest/manifest.ts'
import { isSameProject, type ProjectName } from '../../core/run/run.ts'
import { createTreeColumns, type FetchedTree } from '../download/tree-columns.ts'
import { objectOf } from '../transport/message.ts'

/** The attestation is invalid, or not about what it was expected to be. */
export class AttestationError extends Error {
  override readonly name = 'AttestationError'
}

export interface Attestation {
  /** Facts about the artifact, in the form that a server sends. */
  id: number
  name: string
  treeDigest: string
  receipt: Omit<Receipt, 'otherEntries'>
  /** SHA-256 of the key that signed it. */
  keyId: string
  /** The attested tree: the whole artifact, or the attested part of it. */
  tree: FetchedTree
}

/** Reads a Sigstore bundle, or a bare DSSE envelope, signed by one of the public keys in `pem`.
 *  Artifacts that a pull request made are rejected unless `allowUntrusted` is set. Errors:
 *  AttestationError, invalid_request (the keys). */
export function readAttestation(
  text: string,
  pem: string,
  { allowUntrusted }: { allowUntrusted: boolean },
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
      `run ${receipt.run} of ${receipt.project} was triggered by a pull request, so its code was not merged`,
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
  throw new AttestationError('the attestation was changed, or was signed by another key')
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
  if (!isWhole) throw new AttestationError('not an attestation: it has no in-toto envelope')
  return envelope as Envelope
}

/** Errors: unsafe_path, duplicate_path (from a misbehaving server). */
function treeOf(subjects: Subject[], otherEntries: string[]): FetchedTree {
  const entries: Entry[] = otherEntries.map(parseEntry)
  for (const { name, digest, annotations } of subjects) {
    if (annotations === undefined) continue
    entries.push({
      kind: 'file',
      // Validated with the whole line, like lines that come from a server.
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

/** Returns where the artifact has content with this digest: the path of a file, or the name of
 *  its zip; undefined when nowhere. */
export function attestedName({ receipt, tree }: Attestation, digest: Digest): string | undefined {
  if (receipt.path === '' && receipt.zipDigest === formatWireDigest(digest))
    return `${receipt.name}.zip`
  for (let ordinal = 0; ordinal < tree.count; ordinal++)
    if (tree.kind(ordinal) === 'file' && tree.digest(ordinal) === digest) return tree.path(ordinal)
  return undefined
}

/** Which artifact an attestation is expected to be about. */
export interface AttestedPlace {
  project?: ProjectName
  run?: number
  name?: string
  id?: number
}

/** Errors: AttestationError, when the attestation is about another artifact. */
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
