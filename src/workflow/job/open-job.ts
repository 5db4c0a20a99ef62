/** Prepares a job for its first step: directories, token, contexts, and the signals that end it. */
import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { bounds } from '../bounds.ts'
import { githubOfJob, runnerContext, type JobDirectories } from '../expression/contexts.ts'
import type { Engine, JobState, StepScope } from '../engine.ts'
import type { JobReference } from '../events.ts'
import { onAbort } from '../on-abort.ts'
import { removeTree } from '../remove-tree.ts'

export interface JobSignals {
  cancel: AbortSignal
  kill: AbortSignal
  /** Cancels the job after `ms`, calling `announce` first. */
  expireAfter: (ms: number, announce: () => void) => void
  close: () => void
}

/** Signals of one job. After a cancellation `always()` steps still run, for a limited time. */
export function openSignals(cancel: AbortSignal, kill: AbortSignal): JobSignals {
  const canceller = new AbortController()
  const killer = new AbortController()
  const timers: NodeJS.Timeout[] = []
  const onCancel = (): void => {
    timers.push(setTimeout(() => killer.abort(), bounds.cancelledJobMs))
    canceller.abort()
  }
  const onKill = (): void => {
    canceller.abort()
    killer.abort()
  }
  const over = new AbortController()
  onAbort(cancel, onCancel, over.signal)
  onAbort(kill, onKill, over.signal)
  return {
    cancel: canceller.signal,
    kill: killer.signal,
    expireAfter: (ms, announce) => {
      const expire = (): void => {
        announce()
        onCancel()
      }
      timers.push(setTimeout(expire, Math.min(ms, bounds.timerMsMax)))
    },
    close: () => {
      for (const timer of timers) clearTimeout(timer)
      over.abort()
    },
  }
}

/** Errors: those of the file system and of the callbacks that provide the token and the store. */
export async function openJob(
  engine: Engine,
  { reference, contexts }: Pick<JobState, 'reference' | 'contexts'>,
  signals: JobSignals,
): Promise<JobState> {
  const directories = await createDirectories(engine, reference)
  const runtimeToken = await mintRuntimeToken(engine, reference)
  const token = engine.secrets['GITHUB_TOKEN'] ?? runtimeToken
  return {
    engine,
    reference,
    contexts,
    directories,
    github: { ...engine.githubOfRun, ...githubOfJob({ id: reference.id, directories, token }) },
    runner: runnerContext(directories, engine.debug),
    scope: jobScope(engine, signals),
    secrets: { ...engine.secrets, GITHUB_TOKEN: token },
    defaults: { shell: undefined, workingDirectory: undefined },
    env: {},
    path: [],
    marker: `${engine.marker}_${randomUUID()}`,
    cancel: signals.cancel,
    kill: signals.kill,
    runtimeToken,
    artifacts: await engine.openArtifacts?.(reference),
    postSteps: [],
    uses: new Map(),
  }
}

/** Returns the token of a job, masked from now on; '' without a service. Errors: those of the
 *  callback. */
export async function mintRuntimeToken(engine: Engine, reference: JobReference): Promise<string> {
  const token = (await engine.endpoint?.runtimeToken(reference)) ?? ''
  if (token !== '') engine.masker.add(token)
  return token
}

async function createDirectories(engine: Engine, reference: JobReference): Promise<JobDirectories> {
  const root = join(engine.workDirectory, reference.key)
  const temporary = join(root, '_temp')
  const directories: JobDirectories = {
    root,
    workspace: join(root, basename(engine.facts.repository)),
    temporary,
    toolCache: toolCacheOf(engine),
    eventPath: join(temporary, '_github_workflow', 'event.json'),
  }
  await removeTree(root)
  await mkdir(directories.workspace, { recursive: true })
  await mkdir(join(temporary, '_github_workflow'), { recursive: true })
  await mkdir(directories.toolCache, { recursive: true })
  await writeFile(directories.eventPath, JSON.stringify(engine.facts.payload))
  return directories
}

/** GitHub's runner takes the same variables, so that what set-up actions fetch is fetched once. */
function toolCacheOf({ environment, workDirectory }: Engine): string {
  const lasting = environment['RUNNER_TOOL_CACHE'] || environment['AGENT_TOOLSDIRECTORY']
  // No key of a job starts with 0_.
  return lasting ? resolve(lasting) : join(workDirectory, '0_tool')
}

function jobScope({ inputs, workflowPlace: home }: Engine, signals: JobSignals): StepScope {
  const { cancel, kill: halt } = signals
  return { steps: {}, status: 'success', inputs, env: {}, github: {}, home, cancel, halt, depth: 0 }
}
