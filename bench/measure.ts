/** Measures time and memory of functions and programs. Reports medians with their spread, and
 *  interleaves the candidates in one run, so that a slow minute of the machine affects all of them
 *  alike. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { arch, cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'

/** The parts of a benchmark, in order; each prints its own tables. */
export type Parts = Record<string, () => Promise<void>>

/** One measurement: named figures. Whether higher or lower is better depends on the figure. */
export type Sample = Record<string, number>

export interface Summary {
  median: number
  min: number
  max: number
}

function summarize(values: number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle]!
  const median = sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}

/** Runs each candidate `rounds` times in turn, every other round in reverse order, after one
 *  unmeasured round. Returns summaries of each candidate's figures. */
export async function interleave<Name extends string>(
  candidates: Record<Name, () => Promise<Sample>>,
  rounds: number,
): Promise<Record<Name, Record<string, Summary>>> {
  const names = Object.keys(candidates) as Name[]
  const samples = new Map<Name, Sample[]>(names.map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const sample = await candidates[name]()
      if (round > 0) samples.get(name)!.push(sample)
    }
  }
  const summaries = names.map((name) => {
    const taken = samples.get(name)!
    const figures = Object.keys(taken[0] ?? {})
    return [name, Object.fromEntries(figures.map((f) => [f, summarize(taken.map((s) => s[f]!))]))]
  })
  return Object.fromEntries(summaries) as Record<Name, Record<string, Summary>>
}

/** The smallest value that at least `share` of all values do not exceed. */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

export interface ProgramRun {
  seconds: number
  /** CPU time of the process itself, accurate to about 1/50 s. */
  cpuSeconds: number
  /** Peak resident size of the process itself, without children. */
  peakRssBytes: number
  stdout: string
}

/** Runs a program until it exits. Throws with its output when the exit status is not 0. */
export async function runProgram(
  command: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<ProgramRun> {
  const start = performance.now()
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit')
  const usage = watchUsage(child.pid!)
  const [stdout, stderr] = await Promise.all([readText(child.stdout), readText(child.stderr)])
  const [status] = await exit
  const seconds = (performance.now() - start) / 1000
  // The arguments are left out, since some of them are tokens.
  if (status !== 0) throw new Error(`${command} exited with ${status}: ${stderr}${stdout}`)
  return { seconds, ...usage.stop(), stdout }
}

async function readText(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  return text
}

/** Samples a process's peak resident size (VmHWM, kept by Linux) and CPU time until `stop`. */
function watchUsage(pid: number): { stop(): { peakRssBytes: number; cpuSeconds: number } } {
  let peakRssBytes = 0
  let cpuSeconds = 0
  const look = (): void => {
    peakRssBytes = Math.max(peakRssBytes, readPeakRss(pid))
    cpuSeconds = Math.max(cpuSeconds, readCpuSeconds(pid))
  }
  const timer = setInterval(look, 20)
  return {
    stop: () => {
      clearInterval(timer)
      look()
      return { peakRssBytes, cpuSeconds }
    },
  }
}

/** CPU time so far of all threads, user and system; 0 once the process is gone. */
export function readCpuSeconds(pid: number): number {
  try {
    // proc(5): after the name in parentheses, utime and stime are fields 12 and 13, in 1/100 s.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}

/** Peak resident size so far; 0 once the process is gone. */
export function readPeakRss(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** Sum of the apparent sizes of all regular files below `directory`. */
export async function directoryBytes(directory: string): Promise<number> {
  const items = await readdir(directory, { recursive: true, withFileTypes: true })
  let total = 0
  for (const item of items) {
    if (item.isFile()) total += (await stat(join(item.parentPath, item.name))).size
  }
  return total
}

export async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; value: T }> {
  const start = performance.now()
  const value = await work()
  return { seconds: (performance.now() - start) / 1000, value }
}

/** Describes the conditions of the figures: machine, system, versions, date. */
export async function describeMachine(programs: string[] = []): Promise<string> {
  const lines = [
    `date: ${new Date().toISOString().slice(0, 10)}`,
    `machine: ${cpus().length} cores of ${cpus()[0]?.model.trim() || arch()}, ${megabytes(totalmem())} MB of memory`,
    `system: Linux ${release()}, Node ${process.versions.node}, zlib ${process.versions.zlib}`,
  ]
  for (const program of programs) {
    const argument = program === 'restic' ? 'version' : '--version'
    const { stdout } = await runProgram(program, [argument])
    lines.push(`${program}: ${stdout.split('\n')[0]}`)
  }
  return lines.join('\n')
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

export function formatSummary({ median, min, max }: Summary, digits = 2): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
}

/** Formats a Markdown table for README.md. */
export function formatTable(header: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}
