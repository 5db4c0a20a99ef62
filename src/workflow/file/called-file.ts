/** The workflow that a job calls: finds and reads its file, and checks what the job passes to it
 *  with GitHub's own converter. */
import { readFile, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { convertReferencedWorkflow } from '@actions/workflow-parser/model/converter/referencedWorkflow'
import type { ReusableWorkflowJob } from '@actions/workflow-parser/model/workflow-template'
import { parseFileReference } from '@actions/workflow-parser/workflows/file-reference'
import { bounds } from '../bounds.ts'
import type { WorkflowPlace } from '../expression/contexts.ts'
import { findPassedFaults } from './inputs.ts'
import { problemAt, type Problem } from './problem.ts'
import { createContext, positionOf, problemsOf } from './schema.ts'
import { resolveUses } from './uses.ts'
import { parseWorkflow, type Workflow } from './workflow-file.ts'

/** A workflow, and where its file is. */
export interface WorkflowSource {
  workflow: Workflow
  /** The local workflows that it calls are looked up in the same repository. */
  place: WorkflowPlace
  /** Real paths of the files that call each other, from the workflow of the run to this one. */
  chain: string[]
}

/** `unavailable`: the file is not on this machine. */
export type CalledFile = WorkflowSource | { problems: Problem[] } | { unavailable: Problem }

export async function findCalled(
  call: ReusableWorkflowJob,
  caller: WorkflowSource,
  actions: ReadonlyMap<string, string>,
): Promise<CalledFile> {
  const uses = call.ref.value
  const position = positionOf(caller.workflow.file, call.ref)
  const problem = (reason: string): Problem =>
    problemAt(position, `cannot call '${uses}': ${reason}`)
  const place = locate(uses, caller.place, actions)
  if ('fault' in place) return { problems: [problem(place.fault)] }
  if ('reason' in place) return { unavailable: problem(place.reason) }
  const file = join(place.directory, place.path)
  const real = await realpath(file).catch(() => undefined)
  if (real === undefined) return { unavailable: problem(`no file ${file}`) }
  const chain = [...caller.chain, real]
  if (caller.chain.includes(real)) {
    const cycle = chain.slice(chain.indexOf(real)).map((path) => basename(path))
    return { problems: [problem(`the workflows call each other in a cycle: ${cycle.join(' → ')}`)] }
  }
  if (chain.length > bounds.workflowDepthMax)
    return {
      problems: [
        problem(`at most ${bounds.workflowDepthMax} levels of workflows can be connected`),
      ],
    }
  const parsed = parseWorkflow(file, await readFile(real, 'utf8'))
  if ('problems' in parsed) return parsed
  const problems = await checkCall(call, caller.workflow, parsed.workflow)
  if (problems.length > 0) return { problems }
  return { workflow: parsed.workflow, place, chain }
}

/** `fault`: the reference is malformed. `reason`: its repository is not on this machine. */
type Located = WorkflowPlace | { fault: string } | { reason: string }

function locate(
  uses: string,
  caller: WorkflowPlace,
  actions: ReadonlyMap<string, string>,
): Located {
  const reference = readReference(uses)
  if (reference === undefined) {
    const forms = './.github/workflows/FILE.yml or OWNER/REPO/.github/workflows/FILE.yml@REF'
    return { fault: `expected ${forms}` }
  }
  const { path } = reference
  if (!('owner' in reference)) return { ...caller, path }
  const repository = `${reference.owner}/${reference.repository}@${reference.version}`
  const resolved = resolveUses(repository, actions, caller)
  // Which commit the directory has is not known.
  if (resolved.kind === 'directory') return { ...resolved.home, path, sha: '' }
  const advice = `pass the directory of its repository with --action ${repository}=DIR`
  return { reason: `trove run does not download workflows; ${advice}` }
}

/** Workflows are files directly in `.github/workflows`; local ones have no version. */
function readReference(uses: string): ReturnType<typeof parseFileReference> | undefined {
  try {
    const reference = parseFileReference(uses)
    return /^\.github\/workflows\/[^/@]+\.ya?ml$/.test(reference.path) ? reference : undefined
  } catch {
    // Its only error: no owner, repository or version.
    return undefined
  }
}

/** The converter does not look at the types of values. */
async function checkCall(
  call: ReusableWorkflowJob,
  caller: Workflow,
  called: Workflow,
): Promise<Problem[]> {
  const context = createContext('workflow')
  convertReferencedWorkflow(context, called.root, call)
  const problems = problemsOf({ file: caller.file, root: called.root, context })
  const declared = called.inputs.get('workflow_call') ?? []
  return [...problems, ...(await findPassedFaults(declared, call, caller.file))]
}
