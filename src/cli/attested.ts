/** What `trove verify --attestation` compares with: read from a file, verified, and about what was asked for. */
import { readFile } from 'node:fs/promises'
import { attestationKeysPath } from '../api/paths.ts'
import { namedFileError } from '../client/files/file-error.ts'
import { requestBytes } from '../client/transport/http.ts'
import {
  type Attestation,
  type AttestedPlace,
  readAttestation,
  requirePlace,
} from '../client/verify/attestation.ts'
import { parseReference } from '../core/reference.ts'
import { parseProjectName, type ProjectName } from '../core/run.ts'
import { UsageError } from './arguments.ts'
import { printable } from './output.ts'
import type { ServerContext } from './server-access.ts'

interface Attested {
  attestation: string
  /** Undefined: the server's, which is asked for them. */
  key: string | undefined
  /** What it must be about; undefined: anything of the project. */
  reference: string | undefined
  /** As the command line has it. That of the environment completes a reference, and says nothing of files by itself. */
  project: string | undefined
  allowUntrusted: boolean
}

/** Errors: UsageError, FileError, AttestationError, invalid_request and invalid_name; of a server that is asked those of `openAnswer`. */
export async function readAttested(
  { server, project }: ServerContext,
  { reference, allowUntrusted, ...given }: Attested,
  signal: AbortSignal,
): Promise<Attestation> {
  const named = given.project !== undefined && { project: parseProjectName(given.project) }
  const place = { ...named, ...(reference !== undefined && placeOf(reference, project)) }
  const keys =
    given.key === undefined
      ? (await requestBytes(server, { path: attestationKeysPath, signal })).toString()
      : await readText(given.key)
  const attestation = readAttestation(await readText(given.attestation), keys, { allowUntrusted })
  requirePlace(attestation, place)
  return attestation
}

function placeOf(text: string, project: ProjectName | null): AttestedPlace {
  const reference = parseReference(text)
  if (reference.kind === 'latest')
    throw new UsageError('only a server knows what is the latest: write O/R@RUN/NAME')
  if (reference.kind === 'id') return { id: reference.id }
  const { run, name } = reference
  const named = reference.project ?? project
  if (named === null) throw new UsageError(`name the project: O/R@${text}, or --project`)
  return { project: named, run, name }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw namedFileError(path, error)
  }
}

/** In a line, of which all comes from strangers. */
export function tellAttestation({ receipt, keyId }: Attestation): string {
  const { name, project, run, attempt, job, branch, sha, receivedAt, untrusted } = receipt
  const facts = [
    `${name} of run ${run} (attempt ${attempt}, job ${job}) of ${project}`,
    ...(sha === null ? [] : [`commit ${sha}`]),
    ...(branch === null ? [] : [`branch ${branch}`]),
    ...(untrusted ? ['of a pull request'] : []),
    `received ${receivedAt}`,
    `key ${keyId.slice(0, 16)}`,
  ]
  return printable(facts.join(', '))
}
