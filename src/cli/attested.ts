/** Reads and verifies the attestation that `trove verify --attestation` compares with, and
 *  checks what it is about. */
import { attestationKeysPath } from '../api/paths.ts'
import { readNamedText } from '../client/files/file-error.ts'
import { requestBytes } from '../client/transport/http.ts'
import {
  type Attestation,
  type AttestedPlace,
  readAttestation,
  requirePlace,
} from '../client/verify/attestation.ts'
import type { ClientConfig } from '../config/client-config.ts'
import { parseReferenceOrName } from '../core/reference.ts'
import { parseProjectName, type ProjectName } from '../core/run/run.ts'
import { UsageError } from './arguments.ts'
import { printable } from './output/output.ts'
import { inRun, type ServerContext } from './server-access.ts'

interface Attested {
  attestation: string
  /** File of public keys; undefined: fetch the server's. */
  key: string | undefined
  /** Artifact that it must be about; undefined: any of the project. */
  reference: string | undefined
  /** As given on the command line. The project of the environment completes a reference, but is
   *  no requirement by itself. */
  project: string | undefined
  allowUntrusted: boolean
}

/** Errors: UsageError, FileError, AttestationError, invalid_request and invalid_name; when a
 *  server is asked, those of `openAnswer`. */
export async function readAttested(
  { server, project, config }: ServerContext,
  { reference, allowUntrusted, ...given }: Attested,
  signal: AbortSignal,
): Promise<Attestation> {
  const named = given.project !== undefined && { project: parseProjectName(given.project) }
  const place = { ...named, ...(reference !== undefined && placeOf(reference, project, config)) }
  const keys =
    given.key === undefined
      ? (await requestBytes(server, { path: attestationKeysPath, signal })).toString()
      : await readNamedText(given.key)
  const attestation = readAttestation(await readNamedText(given.attestation), keys, {
    allowUntrusted,
  })
  requirePlace(attestation, place)
  return attestation
}

function placeOf(
  text: string,
  project: ProjectName | null,
  config: Pick<ClientConfig, 'run'>,
): AttestedPlace {
  const reference = inRun(parseReferenceOrName(text), config)
  if (reference.kind === 'latest')
    throw new UsageError('latest: needs a server to resolve it; use O/R@RUN/NAME')
  if (reference.kind === 'id') return { id: reference.id }
  const { run, name } = reference
  const named = reference.project ?? project
  if (named === null) throw new UsageError(`missing project: use O/R@${text} or --project`)
  return { project: named, run, name }
}

/** Describes an attestation in one line, made printable because all of it is untrusted text. */
export function describeAttestation({ receipt, keyId }: Attestation): string {
  const { name, project, run, attempt, job, branch, sha, receivedAt, untrusted } = receipt
  const facts = [
    `${name} of run ${run} (attempt ${attempt}, job ${job}) of ${project}`,
    ...(sha === null ? [] : [`commit ${sha}`]),
    ...(branch === null ? [] : [`branch ${branch}`]),
    ...(untrusted ? ['from a pull request'] : []),
    `received ${receivedAt}`,
    `key ${keyId.slice(0, 16)}`,
  ]
  return printable(facts.join(', '))
}
