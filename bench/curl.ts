/** curl as the client of every HTTP measurement: a program of its own, so that our event loop is not what is timed. */
import type { Sample } from './measure.ts'
import { runProgram } from './measure.ts'

/** Downloads to nowhere; figures are seconds to the first byte, seconds in all, and bytes. */
export async function download(url: string, headers: string[] = []): Promise<Sample> {
  const figures = '%{time_starttransfer} %{time_total} %{size_download}'
  const { stdout } = await curl(['-o', '/dev/null', '-w', figures, ...asFlags(headers), url])
  const [firstByteSeconds = NaN, seconds = NaN, bytes = NaN] = stdout.split(' ').map(Number)
  return { firstByteSeconds, seconds, bytes }
}

/** Sends a file; answers the seconds it took, the answer included. */
export async function upload(file: string, url: string, headers: string[]): Promise<number> {
  const figures = ['-o', '/dev/null', '-w', '%{time_total}']
  return Number((await curl(['-T', file, ...figures, ...asFlags(headers), url])).stdout)
}

export async function save(url: string, file: string, headers: string[]): Promise<void> {
  await curl(['-o', file, ...asFlags(headers), url])
}

async function curl(args: string[]): Promise<{ stdout: string }> {
  return await runProgram('curl', ['-sS', '--fail-with-body', '--noproxy', '*', ...args])
}

function asFlags(headers: string[]): string[] {
  return headers.flatMap((header) => ['-H', header])
}
