/** actions/upload-artifact/merge with the inputs and outputs of v7. */
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { Minimatch } from 'minimatch'
import { removeTree } from '../remove-tree.ts'
import { StepFailure, type StepBody } from '../step/step-body.ts'
import { uploadFiles } from './upload-paths.ts'
import type { UsesStep } from '../file/workflow-file.ts'
import { readBuiltInInputs } from './inputs.ts'
import { artifactsOf, downloadAll, readUploadOptions, uploadTo } from './artifacts.ts'

const defaults = {
  name: 'merged-artifacts',
  pattern: '*',
  'separate-directories': 'false',
  'retention-days': '',
  'compression-level': '6',
  'delete-merged': 'false',
  'include-hidden-files': 'false',
}

/** Errors: StepFailure, and those of the store. */
export async function runMerge(body: StepBody, step: UsesStep): Promise<void> {
  const { job, log } = body
  const inputs = await readBuiltInInputs(body, step, defaults)
  const name = inputs.required('name')
  const pattern = inputs.required('pattern')
  const separate = inputs.boolean('separate-directories')
  const deleteMerged = inputs.boolean('delete-merged')
  const includeHidden = inputs.boolean('include-hidden-files')
  const options = readUploadOptions(body, inputs)
  const store = artifactsOf(body)
  const matcher = new Minimatch(pattern)
  const listed = await store.list(undefined)
  const artifacts = listed.filter((artifact) => matcher.match(artifact.name))
  if (artifacts.length === 0)
    throw new StepFailure(`No artifacts found matching pattern '${pattern}'`)
  log.say('Preparing to download the following artifacts:')
  for (const artifact of artifacts)
    log.say(`- ${artifact.name} (ID: ${artifact.id}, Size: ${artifact.logicalBytes})`)

  const directory = await mkdtemp(join(job.directories.temporary, 'merge-artifact'))
  try {
    const place = { directory, isCommon: !separate }
    const mismatched = await downloadAll(body, artifacts, {
      ...place,
      from: undefined,
      keepArchive: false,
    })
    // Going on would leave files out of the merged artifact, and `delete-merged` would delete
    // content that may still be healed.
    if (mismatched.length > 0)
      throw new StepFailure(`Digest validation failed for artifact(s): ${mismatched.join(', ')}.`)
    const roots = { directory, home: undefined, includeHidden }
    const files = uploadFiles(await job.engine.globber.search('.', roots, body.stop))
    await uploadTo(store, body, {
      name,
      files,
      archive: true,
      ...options,
      overwrite: false,
      signal: body.stop,
    })
    log.say(`The ${artifacts.length} artifact(s) have been successfully merged!`)
    if (!deleteMerged) return
    for (const artifact of artifacts) await store.remove(artifact)
    log.say(`The ${artifacts.length} artifact(s) have been deleted`)
  } finally {
    await removeTree(directory)
  }
}
