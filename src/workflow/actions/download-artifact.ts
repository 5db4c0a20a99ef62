/** actions/download-artifact with the inputs and outputs of v8 and the directory layout of the
 *  version in `uses:`. */
import { resolve } from 'node:path'
import { Minimatch } from 'minimatch'
import type { ArtifactStore, ListedArtifact, OtherRun } from '../artifacts.ts'
import { StepFailure, type StepBody } from '../step/step-body.ts'
import type { UsesStep } from '../file/workflow-file.ts'
import { readBuiltInInputs, type Inputs } from './inputs.ts'
import { artifactsOf, downloadAll } from './artifacts.ts'

/** Versions before v5 download a single artifact directly into `path` only when it is requested by
 *  name; otherwise each artifact gets its own subdirectory, even if there is only one. */
const isBeforeV5 = /@v[1-4](?!\d)/

/** Errors: StepFailure, and those of the store. */
export async function runDownload(body: StepBody, step: UsesStep): Promise<void> {
  const { job, log } = body
  const inputs = await readBuiltInInputs(body, step, {
    name: '',
    'artifact-ids': '',
    path: '',
    pattern: '',
    'merge-multiple': 'false',
    'github-token': '',
    repository: job.engine.facts.repository,
    'run-id': String(job.engine.facts.runId),
    'skip-decompress': 'false',
    'digest-mismatch': 'error',
  })
  const mergeMultiple = inputs.boolean('merge-multiple')
  const keepArchive = inputs.boolean('skip-decompress')
  const onMismatch = inputs.text('digest-mismatch') || 'error'
  if (!/^(?:ignore|info|warn|error)$/.test(onMismatch)) {
    const options = 'Valid options are: ignore, info, warn, error'
    throw new StepFailure(`Invalid value for 'digest-mismatch': '${onMismatch}'. ${options}`)
  }
  const path = downloadPath(body, inputs.text('path'))
  const from = readOtherRun(inputs)
  const store = artifactsOf(body)
  const artifacts = await selectArtifacts(store, body, inputs, from)
  if (artifacts.length > 0) log.say('Preparing to download the following artifacts:')
  for (const { name, id, logicalBytes, treeDigest } of artifacts) {
    log.say(`- ${name} (ID: ${id}, Size: ${logicalBytes}, Tree Digest: ${treeDigest})`)
  }
  const isOne =
    inputs.text('name') !== '' || (artifacts.length === 1 && !isBeforeV5.test(step.uses))
  const place = { directory: path, isCommon: mergeMultiple || isOne }
  const mismatched = await downloadAll(body, artifacts, { ...place, from, keepArchive })
  reportMismatches(body, mismatched, onMismatch)
  log.say(`Total of ${artifacts.length} artifact(s) downloaded`)
  body.outputs['download-path'] = path
}

function downloadPath(body: StepBody, path: string): string {
  const { job } = body
  if (!path.startsWith('~')) return resolve(job.directories.workspace, path)
  const home = body.env['HOME'] ?? job.engine.environment['HOME']
  if (home === undefined)
    throw new StepFailure(`Cannot resolve path ${JSON.stringify(path)}: HOME is not set`)
  return resolve(job.directories.workspace, home + path.slice(1))
}

/** Returns the run that the inputs name, or undefined for the current one: `run-id` and
 *  `repository` count only with a token. Errors: StepFailure. */
function readOtherRun(inputs: Inputs): OtherRun | undefined {
  const token = inputs.text('github-token')
  if (token === '') return undefined
  const repository = inputs.text('repository')
  if (!/^[^/\s]+(?:\/[^/\s]+)+$/.test(repository)) {
    throw new StepFailure(`Invalid repository: '${repository}'. Must be in format owner/repo`)
  }
  const runId = inputs.integer('run-id')
  if (runId === undefined) throw new StepFailure('Input required and not supplied: run-id')
  return { repository, runId, token }
}

async function selectArtifacts(
  store: ArtifactStore,
  body: StepBody,
  inputs: Inputs,
  from: OtherRun | undefined,
): Promise<ListedArtifact[]> {
  const { log } = body
  const name = inputs.text('name')
  const ids = inputs.text('artifact-ids')
  const pattern = inputs.text('pattern')
  if (name !== '' && ids !== '') {
    throw new StepFailure(
      "Inputs 'name' and 'artifact-ids' cannot be used together. Please specify only one.",
    )
  }
  const listed = await store.list(from)
  if (name !== '') {
    log.say('Downloading single artifact')
    const found = listed.find((artifact) => artifact.name === name)
    if (found === undefined)
      throw new StepFailure(`Unable to download artifact(s): Artifact not found for name: ${name}`)
    return [found]
  }
  if (ids !== '') return selectByIds(listed, ids, body)
  if (pattern !== '') {
    log.say(`Filtering artifacts by pattern '${pattern}'`)
    const matcher = new Minimatch(pattern)
    return listed.filter((artifact) => matcher.match(artifact.name))
  }
  log.say('No input name, artifact-ids or pattern filtered specified, downloading all artifacts')
  return listed
}

function selectByIds(listed: ListedArtifact[], text: string, body: StepBody): ListedArtifact[] {
  body.log.say('Downloading artifacts by ID')
  const parts = text.split(',').map((part) => part.trim())
  const ids = parts
    .filter((part) => part !== '')
    .map((part) => {
      const id = Number.parseInt(part, 10)
      if (Number.isNaN(id))
        throw new StepFailure(`Invalid artifact ID: '${part}'. Must be a number.`)
      return id
    })
  if (ids.length === 0)
    throw new StepFailure("No valid artifact IDs provided in 'artifact-ids' input")
  const found = listed.filter((artifact) => ids.includes(artifact.id))
  if (found.length === 0) throw new StepFailure('None of the provided artifact IDs were found')
  const missing = ids.filter((id) => !found.some((artifact) => artifact.id === id))
  if (missing.length > 0) {
    const message = `Could not find the following artifact IDs: ${missing.join(', ')}`
    body.log.annotate({ level: 'warning', message })
  }
  return found
}

function reportMismatches(body: StepBody, names: string[], onMismatch: string): void {
  if (names.length === 0) return
  if (onMismatch === 'error') {
    const advice = "Use 'digest-mismatch: warn' to continue on mismatch."
    throw new StepFailure(
      `Digest validation failed for artifact(s): ${names.join(', ')}. ${advice}`,
    )
  }
  for (const name of names) {
    const message = `Artifact '${name}' digest validation failed. Please verify the integrity of the artifact.`
    if (onMismatch === 'warn') body.log.annotate({ level: 'warning', message })
    else if (onMismatch === 'info') body.log.say(message)
  }
}
