/** `github.event` of a workflow run: what is known of the repository, and the payload of a file. */
import { readNamedText } from '../../client/files/file-error.ts'
import type { WorkflowRun } from '../../workflow/expression/contexts.ts'
import { UsageError } from '../arguments.ts'
import type { Repository } from './workflow-repository.ts'

type Payload = WorkflowRun['payload']

/** Returns the parts of a webhook's payload that are the same for all events, replaced and extended
 *  by those of `file`. `project`: as `owner/repo`.
 *  Errors: UsageError, FileError. */
export async function readPayload(
  file: string | undefined,
  project: string,
  { actor, defaultBranch }: Pick<Repository, 'actor' | 'defaultBranch'>,
): Promise<Payload> {
  const at = project.lastIndexOf('/')
  const repository = {
    name: project.slice(at + 1),
    full_name: project,
    owner: { login: project.slice(0, at) },
    ...(defaultBranch !== undefined && { default_branch: defaultBranch }),
  }
  return {
    repository,
    sender: { login: actor },
    ...(file !== undefined && parsePayload(file, await readNamedText(file))),
  }
}

function parsePayload(file: string, text: string): Payload {
  let payload: unknown
  try {
    payload = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`--payload ${file} is not JSON: ${(error as Error).message}`)
  }
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload))
    throw new UsageError(`--payload ${file} must hold a JSON object, as the event's webhook does`)
  return payload as Payload
}
